"""The tables that commands print."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from datagen.build.layouts import alternatives
from datagen.mixture import MixturePart
from datagen.schema.card import SourceCard
from datagen.schema.manifest import Manifest, SplitEntry
from datagen.sources import load_source
from pipelines.console import output


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return a table without lines; columns that begin with `>` hold numbers."""
    heading = None if title is None else Text(title)
    table = Table(
        title=heading, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for name in columns:
        number = name.startswith(">")
        justify: JustifyMethod = "right" if number else "left"
        table.add_column(Text(name.lstrip(">")), justify=justify, no_wrap=number)
    return table


def print_build(
    manifest: Manifest, out: str, console: Console | None = None, *, brief: bool = False
) -> None:
    """Print what a build read and wrote by split, or `brief` in total, and what a user should look at."""
    console = console or output()
    if brief:
        console.print(Text(_totals(manifest)))
    else:
        _print_splits(manifest, console)
    for remark in _general_remarks(manifest):
        console.print(Text(f"- {remark}"))
    console.print(Text(f"dataset {manifest.content_hash[:16]} in {out}"))


def _totals(manifest: Manifest) -> str:
    entries = [entry for splits in manifest.splits.values() for entry in splits.values()]
    shards = [shard for entry in entries for shard in entry.shards]
    counts = {
        "read": sum(entry.read for entry in entries),
        "written": sum(entry.written for entry in entries),
        "rejected": sum(sum(entry.rejected.values()) for entry in entries),
        "filtered": sum(sum(entry.filtered.values()) for entry in entries),
    }
    counted = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    return (
        f"{len(manifest.splits)} sources, {len(entries)} splits: {counted}; {len(shards)} files, "
        f"{sum(shard.num_bytes for shard in shards) / 1e6:.1f} MB"
    )


def _print_splits(manifest: Manifest, console: Console) -> None:
    table = plain_table(
        "source",
        "split",
        ">read",
        ">written",
        ">rejected",
        ">filtered",
        ">files",
        ">MB",
        ">published",
    )
    remarks = []
    for source, splits in manifest.splits.items():
        for split, entry in splits.items():
            rejected, filtered = sum(entry.rejected.values()), sum(entry.filtered.values())
            numbers = (entry.read, entry.written, rejected, filtered, len(entry.shards))
            table.add_row(
                source,
                split,
                *(f"{number:,}" for number in numbers),
                f"{sum(shard.num_bytes for shard in entry.shards) / 1e6:.1f}",
                _published(entry),
            )
            for reason, number in entry.rejected.items():
                remarks.append(f"{source}/{split}: {number:,} rejected, {reason}")
            for reason, number in entry.filtered.items():
                remarks.append(f"{source}/{split}: {number:,} filtered, {reason}")
    console.print(table)
    for remark in remarks:
        console.print(Text(f"- {remark}"))


def _published(entry: SplitEntry) -> Text:
    """Return the number of records that the card expects, marked `?` if it is not verified."""
    if not entry.expected:
        return Text("unknown", "dim")
    nearest = min(entry.expected.values(), key=lambda number: abs(number - entry.written))
    style = "green" if nearest == entry.written else "yellow"
    return Text(f"{nearest:,}{'' if entry.expected_verified else '?'}", style)


def _general_remarks(manifest: Manifest) -> Iterator[str]:
    for source, missing in manifest.missing.items():
        lacking = "; ".join(
            f"{split} lacks {alternatives(lacks)}" for split, lacks in missing.items()
        )
        yield f"{source}: not built: {lacking}"
    for source, candidates in manifest.candidates.items():
        if candidates.reason:
            yield f"{source}: no answer vocabulary: {candidates.reason}"
    for leak in manifest.leakage.leaks:
        yield (
            f"{leak.training} shares {leak.groups:,} images and {leak.examples:,} examples with "
            f"{leak.evaluation}"
        )


def mixture_table(
    parts: Mapping[str, MixturePart], samples: int, title: str, console: Console | None = None
) -> None:
    """Print sizes, weights, probabilities, and the epochs over each source in a run of `samples`."""
    table = plain_table(
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
    console = console or output()
    console.print(table)
    console.print(Text(f"epochs: over each source in a run of {samples:,} samples"))


def sources_table(complete: Mapping[str, Sequence[str]], raw: str) -> Table:
    """Return all sources; `complete` are the splits whose files are on disk."""
    table = plain_table("source", "task", "held", ">training", "category", f"splits in {raw}")
    for source_id, splits in complete.items():
        card = load_source(source_id).card
        train = card.splits.get("train")
        counts = [fact.value for fact in train.counts.values() if fact.value] if train else []
        table.add_row(
            source_id,
            card.task,
            "in" if card.held_in else "out",
            f"{counts[0]:,}" if counts else "unknown" if train else "-",
            card.category,
            Text(", ".join(splits) or "none", "green" if splits else "dim"),
        )
    return table


def card_table(card: SourceCard) -> Table:
    """Return a card's facts, each with its reference."""
    table = plain_table("about", "value", "read in")
    for name in ("home", "licence", "media_licence", "non_commercial", "citation"):
        fact = getattr(card, name)
        value = "unknown" if fact.value is None else str(fact.value)
        origin = "" if fact.read_in is None else fact.read_in
        checked = "" if fact.verified or not origin else ", not verified"
        table.add_row(name.replace("_", " "), Text(value), Text(origin + checked))
    return table


def split_table(card: SourceCard, states: Mapping[str, str]) -> Table:
    """Return a card's splits: published sizes, and the state of the files on disk."""
    table = plain_table("split", ">published records", "paper", "on disk", "note")
    for split, state in states.items():
        described = card.splits[split]
        counts = [
            f"{fact.value:,} ({release}){'' if fact.verified else '?'}"
            for release, fact in described.counts.items()
            if fact.value
        ]
        table.add_row(
            split,
            ", ".join(counts) or "unknown",
            "yes" if described.used_in_paper else "no",
            Text(state),
            Text(described.note or ""),
        )
    return table


def file_table(card: SourceCard, raw: str) -> Table:
    """Return the official files, with the place where each is expected and its download."""
    table = plain_table(
        f"file in {raw}/{card.folder}", "splits", "layout", "download (?: not verified)"
    )
    for file in card.files:
        address = file.download.value or "unknown"
        table.add_row(
            Text(file.name + ("" if file.required else " (optional)")),
            ", ".join(file.splits),
            file.layout_name,
            Text(address + ("" if file.download.verified else " ?"), overflow="fold"),
        )
    for media in card.media:
        parent = {"own": card.folder}.get(media.kind, f"{media.kind}/{media.collection}")
        address = media.download.value or "unknown"
        table.add_row(Text(f"../{parent}/"), "", media.kind, Text(f"{address} ?", overflow="fold"))
    return table
