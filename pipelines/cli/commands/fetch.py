"""`visinstruct fetch`: downloads the publishers' files of sources into a raw folder."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.text import Text

from datagen.errors import OptionError
from datagen.files import is_url
from datagen.schema.card import SourceCard
from datagen.schema.download import Download
from datagen.sources import SOURCE_IDS, load_source
from datagen.sources.downloads import load_downloads, needed
from pipelines.cli.views.fetch_tables import (
    as_json,
    by_hand_lines,
    licence_table,
    plan_table,
    result_lines,
    totals,
)
from pipelines.console import messages, output
from pipelines.fetch.bars import Bars
from pipelines.fetch.fetch import State, fetch, files_there, state_of
from pipelines.fetch.http import Client, Rules
from pipelines.fetch.record import accept, accepted

RULES = Rules(connect_seconds=20, read_seconds=60, head_seconds=120, max_redirects=10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="ids of sources, or all")
    parser.add_argument("--raw", default="data/raw", metavar="DIR", help="the raw folder")
    parser.add_argument("--splits", metavar="A,B", help="splits (default: all)")
    parser.add_argument(
        "--layout",
        metavar="NAME",
        help="layout of the files, where a source has several (default: the first that can be had)",
    )
    parser.add_argument(
        "--only",
        choices=("files", "images"),
        help="annotation files alone, or images and videos alone (default: both)",
    )
    parser.add_argument("--parallel", type=int, default=4, metavar="N", help="downloads at once")
    parser.add_argument(
        "--keep-archives", action="store_true", help="keep archives once they are unpacked"
    )
    parser.add_argument(
        "--accept-licence", action="store_true", help="accept the licences of these sources"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print sizes, licences and states, and stop"
    )
    parser.add_argument(
        "--json", action="store_true", help="with --dry-run: addresses too, as JSON"
    )


class Plan(NamedTuple):
    """The cards of the sources, and their downloads, each once."""

    cards: Sequence[SourceCard]
    downloads: Sequence[Download]
    own: Sequence[str]


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    if is_url(parsed.raw):
        raise OptionError(f"--raw {parsed.raw}: downloads are written to a local folder")
    if parsed.parallel < 1:
        raise OptionError(f"--parallel {parsed.parallel}: at least 1")
    if parsed.json and not parsed.dry_run:
        raise OptionError("--json needs --dry-run")
    raw = Path(parsed.raw)
    plan = plan_of(raw, parsed.sources, parsed.splits, parsed.layout, parsed.only)
    console = output()
    outcomes = [state_of(raw, each) for each in plan.downloads]
    if parsed.dry_run and parsed.json:
        print(json.dumps(as_json(outcomes, plan.cards, parsed.raw), indent=1))
        return 0
    if parsed.dry_run:
        console.print(plan_table(outcomes, parsed.raw), "")
        console.print(licence_table(plan.cards, [accepted(raw, card) for card in plan.cards]), "")
        console.print(Text(totals(outcomes)))
    else:
        if any(each.state is State.ABSENT for each in outcomes):
            _ask_for_licences(raw, plan.cards, parsed.accept_licence)
        with Client(RULES) as client, Bars(messages()) as bars:
            outcomes = fetch(
                client,
                raw,
                plan.downloads,
                bars,
                parallel=parsed.parallel,
                keep_archives=parsed.keep_archives,
            )
        for line in result_lines(outcomes, parsed.raw):
            console.print(line)
    for line in by_hand_lines(outcomes, plan.own, parsed.raw):
        console.print(line)
    return int(any(each.state in (State.FAILED, State.MISMATCH) for each in outcomes))


def plan_of(
    raw: Path, sources: Sequence[str], splits: str | None, layout: str | None, only: str | None
) -> Plan:
    """Return what the options ask for, in the layout of the files that are in the raw folder."""
    cards = [load_source(each).card for each in _ids(sources)]
    found: dict[str, Download] = {}
    own: list[str] = []
    for card in cards:
        wanted = needed(
            card,
            load_downloads(),
            splits=_split_names(splits),
            layout=layout,
            there=files_there(raw, card),
        )
        parts: list[Iterable[Download]] = []
        if only != "images":
            parts.append(wanted.files)
            own += [f"{card.folder}/{file.name}" for file in wanted.own]
        if only != "files":
            parts.append(wanted.media)
        found |= {each.path: each for part in parts for each in part}
    return Plan(cards, list(found.values()), list(dict.fromkeys(own)))


def _ids(sources: Sequence[str]) -> Sequence[str]:
    ids = list(SOURCE_IDS) if "all" in sources else list(dict.fromkeys(sources))
    for each in ids:
        load_source(each)  # an unknown name is an error with the nearest one
        if each not in SOURCE_IDS:
            raise OptionError(f"{each} is a source of a package, which lists no downloads")
    return ids


def _split_names(splits: str | None) -> list[str]:
    return [] if splits is None else [each.strip() for each in splits.split(",")]


def _ask_for_licences(raw: Path, cards: Sequence[SourceCard], accept_all: bool) -> None:
    """Make sure that the licences of the sources were accepted for this folder, now or before."""
    new = [card for card in cards if not accepted(raw, card)]
    if not new:
        return
    console = messages()
    if not accept_all:
        console.print(licence_table(new))
        if not (sys.stdin.isatty() and console.is_terminal):
            names = ", ".join(card.id for card in new)
            raise OptionError(
                f"the licences of {names} were not accepted yet for {raw}; read them, and pass --accept-licence"
            )
        answer = console.input("Do you accept these terms? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise OptionError("the licences were not accepted; nothing was downloaded")
    accept(raw, *new)
