"""Build time of all 26 sources at their published sizes, and the slowest of them.

`python -m benchmarks.build_all [--share S] [--sources A,B] [--scratch DIR] [--out FILE.json]`; S is the share
of the published sizes that is built.
"""

import argparse
import tempfile
from collections.abc import Mapping
from math import ceil
from pathlib import Path

from benchmarks.harness.generate import write_captions
from benchmarks.harness.inflate import inflate
from benchmarks.harness.measure import Case, Cost, Measured, measure_once
from benchmarks.harness.report import RESULTS, Column, Goal, Results
from datagen.build.options import make_options
from datagen.sample.write import write_sample
from datagen.schema.adapter import Source
from datagen.schema.manifest import Manifest
from datagen.sources import SOURCE_IDS, load_source
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build

QUESTION = (
    "How long do all 26 sources take at their published sizes, text only, one after the other?"
)
DIALOGS = {"llava_conversation": 58_000, "llava_reasoning": 77_000}
"""Published in dialogs, not in turns."""
ENOUGH_RECORDS = 100_000
"""Smaller sources take hardly more than the start of a build, and have no rate to speak of."""
CAPFILT = "web_capfilt/ccs_synthetic_filtered_large.json"


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.build_all", description=QUESTION)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--sources", default=",".join(SOURCE_IDS))
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "build_all.json")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=parsed.scratch) as folder:
        sample, scratch = Path(folder, "sample"), Path(folder, "scratch")
        scratch.mkdir()
        write_sample(sample, num_scenes=60)
        options = make_options(raw=str(sample), out=f"{folder}/small")
        manifest = build(options, beam_options([], []))
        measured: dict[str, Measured] = {}
        for source_id in parsed.sources.split(","):
            with tempfile.TemporaryDirectory(dir=folder) as raw:
                write_raw(load_source(source_id), manifest, sample, Path(raw), parsed.share)
                case = Case(source_id, "scale.one_source", "", (source_id,))
                measured[source_id] = measure_once(case, Path(raw), scratch)
    results = Results(
        title="All sources at their published sizes",
        question=QUESTION,
        input=f"rows of drawn scenes, copied with new ids to {parsed.share:g} of the published sizes; no "
        "images. Each source is built alone, with all its splits.",
        cases={},
        measured=measured,
        columns=COLUMNS,
        goals=totals(measured),
    )
    print(results.table(), *results.goals, sep="\n")
    results.write(parsed.out, ("apache-beam", "pyarrow", "msgspec"))


def write_raw(source: Source, manifest: Manifest, sample: Path, raw: Path, share: float) -> None:
    """The files of a source at `share` of its published size."""
    if source.id == "web_capfilt":
        write_captions(raw / CAPFILT, ceil(published(source, "train") * share))
        return
    by_file: dict[str, set[str]] = {}
    for file in source.card.files:
        by_file.setdefault(Path(file.name).name, set()).update(file.splits)
    entries = manifest.splits[source.id]

    def copies(name: str) -> int:
        """Return the number of copies of each row of the sample's file; files of one split agree."""
        if source.id in DIALOGS:
            groups = entries["train"].groups
            return ceil(DIALOGS[source.id] * share / groups)
        splits = [s for s in by_file.get(name, ()) if s in entries and published(source, s)]
        if not splits:
            return 1
        wanted = sum(published(source, split) for split in splits)
        return max(1, ceil(wanted * share / sum(entries[split].written for split in splits)))

    inflate(sample, source.card.folder, raw, copies)


def published(source: Source, split: str) -> int:
    """0 where it is not known."""
    return next((f.value for f in source.card.splits[split].counts.values() if f.value), 0)


def rows(cost: Cost) -> int:
    return int(cost.reported["rows"])


COLUMNS = (
    Column("records", lambda m: m.middle(rows)),
    Column("seconds", lambda m: m.middle(lambda c: c.work_wall_seconds)),
    Column("records/s", lambda m: m.middle(lambda c: rows(c) / c.work_wall_seconds)),
    Column("Parquet MB", lambda m: m.middle(lambda c: c.reported["bytes"] / 1e6)),
    Column("resident MB", lambda m: m.peak_resident_bytes / 1e6),
)


def totals(measured: Mapping[str, Measured]) -> list[Goal]:
    costs = {name: each.costs[0] for name, each in measured.items()}
    large = [name for name, cost in costs.items() if rows(cost) >= ENOUGH_RECORDS] or list(costs)
    slowest = min(large, key=lambda name: rows(costs[name]) / costs[name].work_wall_seconds)
    return [
        Goal("records in all", sum(map(rows, costs.values()))),
        Goal("seconds in all", sum(c.work_wall_seconds for c in costs.values())),
        Goal("Parquet MB in all", sum(c.reported["bytes"] for c in costs.values()) / 1e6),
        Goal("peak resident MB", max(m.peak_resident_bytes for m in measured.values()) / 1e6),
        Goal(
            f"records/s of the slowest, {slowest}",
            rows(costs[slowest]) / costs[slowest].work_wall_seconds,
        ),
    ]


if __name__ == "__main__":
    main()
