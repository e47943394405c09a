"""How far is the estimate of a build from the build itself?

`python -m benchmarks.plan [--shares A,B] [--only-estimated C] [--workers N] [--patience S] [--scratch DIR]
[--out FILE.json]`; shares are those of the published sizes of all sources.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.build_all import write_raw
from benchmarks.harness import measure
from benchmarks.harness.measure import Case, Cost, Measured, measure_once
from benchmarks.harness.report import RESULTS, Column, Goal, Results
from datagen.build.options import make_options
from datagen.sample.write import write_sample
from datagen.sources import SOURCE_IDS, load_source
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build

QUESTION = "How far is `visinstruct plan` from the build that it estimates?"
WANTED = 0.2
COMPARED = {
    "CPU seconds": "cpu_seconds",
    "peak memory": "memory_bytes",
    "disk before publication": "disk_bytes",
    "bytes of the dataset": "output_bytes",
    "records": "records",
    "files": "files",
}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.plan", description=QUESTION)
    parser.add_argument("--shares", default="0.01,0.1", help="estimated and built")
    parser.add_argument("--only-estimated", default="1", help="estimated and not built")
    parser.add_argument("--workers", default="1000", help="machines that are simulated")
    parser.add_argument("--patience", type=float, default=measure.PATIENCE_SECONDS)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "plan.json")
    parsed = parser.parse_args()
    measure.PATIENCE_SECONDS = parsed.patience
    built = [share for share in parsed.shares.split(",") if share]
    others = [share for share in parsed.only_estimated.split(",") if share]
    measured: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory(dir=parsed.scratch) as folder:
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        for share in (*built, *others):
            with tempfile.TemporaryDirectory(dir=folder) as raw:
                write_all(Path(folder), Path(raw, share), float(share))
                arguments = (share, parsed.workers)
                cases = [Case(f"{share}, estimated", "planning.estimated", "", arguments)]
                if share in built:
                    cases += [Case(f"{share}, built", "planning.built", "", (share,))]
                for case in cases:
                    measured[case.name] = measure_once(case, Path(raw), scratch)
    results = Results(
        title="The estimate of a build beside the build",
        question=QUESTION,
        input="all 26 sources: rows of drawn scenes, copied with new ids to the given shares of the published "
        "sizes; no images, one process.",
        cases={},
        measured=measured,
        columns=COLUMNS,
        goals=goals(measured, built),
        notes=[*simulated(measured)],
    )
    print(results.table(), *results.goals, *results.notes, sep="\n")
    results.write(parsed.out, ("apache-beam", "pyarrow", "msgspec"))


def write_all(folder: Path, raw: Path, share: float) -> None:
    """Write the raw files of all sources at a share of their published sizes."""
    sample, small = folder / "sample", folder / "small"
    if not sample.exists():
        write_sample(sample, num_scenes=60)
    manifest = build(make_options(raw=str(sample), out=str(small)), beam_options([], []))
    for source_id in SOURCE_IDS:
        if not source_id.endswith("_qg"):  # they read their parent's files
            write_raw(load_source(source_id), manifest, sample, raw, share)


def value(cost: Cost, name: str) -> float:
    """Return a number of the estimate, or of the build itself, whose CPU seconds are the process's."""
    if name == "cpu_seconds" and "bounds" not in cost.reported:
        return cost.work_cpu_seconds
    return float(cost.reported[name])


def goals(measured: Mapping[str, Measured], built: list[str]) -> list[Goal]:
    found = []
    for share in built:
        estimate, real = (measured[f"{share}, {what}"].costs[0] for what in ("estimated", "built"))
        for what, name in COMPARED.items():
            error = value(estimate, name) / value(real, name) - 1
            bound = WANTED if name in ("cpu_seconds", "memory_bytes") else None
            text = f"{share}: {what}, estimate / build - 1, {error:+.1%}"
            found.append(
                Goal(text if bound is None else f"{text}; its size", abs(error), bound, True)
            )
    return found


def simulated(measured: Mapping[str, Measured]) -> list[str]:
    """Return a sentence about every simulated cluster."""
    sentences = []
    for name, each in measured.items():
        cluster = each.costs[0].reported.get("cluster")
        if cluster is None:
            continue
        phases = cluster["phases"]
        longest = max(phases, key=lambda phase: phase["seconds"])
        by_phase = ", ".join(f"{p['name']} {p['seconds']:.1f} s" for p in phases)
        sentences.append(
            f"Simulated, {name}: {cluster['workers']:,} workers and a bucket of 20 ms a request take "
            f"{cluster['seconds']:.0f} s ({by_phase}). First bottleneck: {longest['name']}, held up by: "
            f"{longest['limit']}. More than {cluster['useful_workers']:,} workers save less than a tenth for twice as many."
        )
    return sentences


COLUMNS = (
    Column("records", lambda m: m.middle(lambda c: value(c, "records"))),
    Column("CPU s", lambda m: m.middle(lambda c: value(c, "cpu_seconds"))),
    Column("memory MB", lambda m: m.middle(lambda c: value(c, "memory_bytes") / 1e6)),
    Column("disk MB", lambda m: m.middle(lambda c: value(c, "disk_bytes") / 1e6)),
    Column("dataset MB", lambda m: m.middle(lambda c: value(c, "output_bytes") / 1e6)),
    Column("files", lambda m: m.middle(lambda c: value(c, "files"))),
    Column("its own CPU s", lambda m: m.middle(lambda c: c.work_cpu_seconds)),
)


if __name__ == "__main__":
    main()
