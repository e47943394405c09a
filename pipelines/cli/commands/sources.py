"""`visinstruct sources`: the cards of sources, and which of their files are on disk."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from datagen.build.layouts import alternatives
from datagen.build.plan import complete_layout
from datagen.errors import OptionError
from datagen.schema.adapter import SplitFiles
from datagen.sources import load_source, source_ids
from datagen.sources.mirrors.mirror import mirror_ids, read_mirror, reasons
from datagen.stores.any_files import AnyFiles
from pipelines.cli.views.mirrors import mirror_table
from pipelines.cli.views.tables import card_table, file_table, sources_table, split_table
from pipelines.console import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="one source, in full (default: a table of all)")
    parser.add_argument("--raw", metavar="DIR", help="the publishers' files (default: data/raw)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    raw = parsed.raw or "data/raw"
    if parsed.raw and "://" not in raw and not Path(raw).is_dir():
        raise OptionError(f"--raw {raw}: no such folder; leave it out to see what is expected")
    ids = [parsed.id] if parsed.id else list(source_ids())
    states = {source_id: on_disk(source_id, raw) for source_id in ids}
    if parsed.json:
        full = [
            {
                **load_source(each).card.model_dump(mode="json"),
                "on_disk": states[each],
                "hub": hub_facts(each),
            }
            for each in ids
        ]
        print(json.dumps(full[0] if parsed.id else full, indent=1))
        return 0
    console = output()
    if not parsed.id:
        complete = {
            each: [split for split, state in splits.items() if state["layout"]]
            for each, splits in states.items()
        }
        console.print(sources_table(complete, raw))
        return 0
    card = load_source(parsed.id).card
    held = "held-in" if card.held_in else "held-out"
    console.print(
        Text(f"{card.id}: {card.title}, {card.category}, {held}, task {card.task}", "bold")
    )
    console.print(card_table(card), "")
    states_of = {split: state["state"] for split, state in states[card.id].items()}
    console.print(split_table(card, states_of), "")
    console.print(file_table(card, raw), "")
    console.print(mirror_table(card.id))
    return 0


def hub_facts(source_id: str) -> dict[str, Any] | None:
    """Return the facts of a source's mirror, or else why it has none; None for sources of packages."""
    if source_id in mirror_ids():
        return read_mirror(source_id).model_dump(mode="json", exclude={"definition", "publisher"})
    why = reasons().get(source_id)
    return None if why is None else {"not_offered": why}


def on_disk(source_id: str, raw: str) -> dict[str, dict[str, Any]]:
    """Return for every split the layout of its files, or the files that are missing."""
    source = load_source(source_id)
    states: dict[str, dict[str, Any]] = {}
    for split in source.split_names():
        found = complete_layout(source, split, raw, AnyFiles())
        if isinstance(found, SplitFiles):
            states[split] = {
                "state": f"complete ({found.layout_name})",
                "layout": found.layout_name,
                "lacks": [],
            }
        else:
            states[split] = {
                "state": f"lacks {alternatives(found)}",
                "layout": None,
                "lacks": list(found),
            }
    return states
