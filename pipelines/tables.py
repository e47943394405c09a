"""The tables that commands print."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datagen.card import SourceCard
from datagen.manifest import Manifest, SplitEntry
from datagen.mixture import MixturePart
from datagen.sources import load_source


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name.lstrip(">"), justify="right" if name[0] == ">" else "left")
    return table


def build_table(manifest: Manifest, out: str, console: Console | None = None) -> None:
    """What a build read and wrote, and everything that a user should look at."""
    console = console or Console()
    table = _table(
        "source", "split", ">rows", ">read", ">written", ">rejected", ">filtered", ">shards", ">MB"
    )
    remarks = []
    for source, splits in manifest.splits.items():
        for split, entry in splits.items():
            table.add_row(
                source,
                split,
                *(
                    f"{number:,}"
                    for number in (
                        entry.rows,
                        entry.read,
                        entry.written,
                        sum(entry.rejected.values()),
                        sum(entry.filtered.values()),
                        len(entry.shards),
                    )
                ),
                f"{sum(shard.num_bytes for shard in entry.shards) / 1e6:.1f}",
            )
            remarks += _remarks(f"{source}/{split}", entry, manifest)
    console.print(table)
    for source, absent in manifest.missing.items():
        for split, lacks in absent.items():
            remarks.append(f"{source}/{split} was not built: {', '.join(lacks)} not there")
    for source, candidates in manifest.candidates.items():
        if candidates.reason:
            remarks.append(f"{source} has no answer vocabulary: {candidates.reason}")
    for leak in manifest.leakage.leaks:
        remarks.append(
            f"{leak.training} shares {leak.groups:,} pictures and {leak.examples:,} examples with "
            f"{leak.evaluation}"
        )
    for remark in remarks:
        console.print(Text(f"- {remark}"))
    console.print(Text(f"dataset {manifest.content_hash[:16]} in {out}"))


def _remarks(name: str, entry: SplitEntry, manifest: Manifest) -> list[str]:
    remarks = []
    for reason, number in (*entry.rejected.items(), *entry.filtered.items()):
        what = "rejected" if reason in entry.rejected else "filtered"
        remarks.append(f"{name}: {number:,} {what} as {reason}")
    whole = manifest.options["limit"] is None
    if whole and entry.expected and entry.written not in entry.expected.values():
        known = ", ".join(f"{number:,} ({release})" for release, number in entry.expected.items())
        checked = "" if entry.expected_verified else ", a number that is not verified"
        remarks.append(f"{name}: {entry.written:,} records, the card expects {known}{checked}")
    return remarks


def mixture_table(
    parts: Mapping[str, MixturePart], samples: int, title: str, console: Console | None = None
) -> None:
    """Sizes, weights and probabilities, and how often a run of `samples` passes over each set."""
    table = _table(
        "source", ">records", ">weight", ">factor", ">probability", ">epochs", title=title
    )
    for source, part in parts.items():
        table.add_row(
            source,
            f"{part.size:,}",
            f"{part.weight:,.1f}",
            f"{part.factor:g}",
            f"{part.probability:.4f}",
            f"{part.epochs(samples):.2f}",
        )
    console = console or Console()
    console.print(table)
    console.print(Text(f"epochs: over each set in a run of {samples:,} samples"))


def sources_table(files: Mapping[str, Mapping[str, str]], raw: str) -> None:
    """All sources; `files` says for every split what of it is on disk."""
    table = _table("source", "task", "trained on", "category", f"in {raw}")
    for source_id, splits in files.items():
        card = load_source(source_id).card
        state = ", ".join(f"{split}: {what}" for split, what in splits.items())
        held = "held-in" if card.held_in else "held-out"
        table.add_row(source_id, card.task, held, card.category, state)
    Console().print(table)


def card_table(card: SourceCard) -> Table:
    """A card's facts, with where each was read."""
    table = _table("", "", "read in")
    for name in ("home", "licence", "media_licence", "non_commercial", "citation"):
        fact = getattr(card, name)
        origin = (
            f"{fact.read_in}{'' if fact.verified else ', not verified'}" if fact.read_in else ""
        )
        table.add_row(
            name.replace("_", " "), "unknown" if fact.value is None else str(fact.value), origin
        )
    return table
