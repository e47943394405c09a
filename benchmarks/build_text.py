"""Speed of building a text-only split, beside a plain loop, naive Beam and Hugging Face.

`python -m benchmarks.build_text [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.generate import write_vqav2
from benchmarks.harness.measure import Case, Cost, Measured, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu, wall
from benchmarks.harness.settings import settings
from benchmarks.text.rows import write_joined

NAME = "build_text"
QUESTION = (
    "How fast is the build of a text-only split, beside a plain loop over the same functions, naive "
    "Beam and Hugging Face?"
)
PACKAGES = ("apache-beam", "datasets", "pyarrow", "msgspec", "jinja2")
COMPARED = ["record_id", "template_id", "instruction", "target", "references", "answers", "tags"]

OURS = Case(
    "our Beam build",
    "text.beam_build",
    "`pipelines.build.run.build` on the embedded engine (FnApiRunner), all of it: index, plan, join, check, "
    "render, stage, shuffle into a keyed order, write and fsync shards, hash, finish, publish.",
)
LOOP = Case(
    "straight loop",
    "text.straight_loop",
    "the same functions and the same staging files in a plain loop, without Beam; publishes a dataset "
    "of the same content hash.",
    ("disk",),
)
MEMORY_LOOP = Case(
    "straight loop in memory",
    "text.straight_loop",
    "the same, but staged blocks stay in memory: if it is killed it begins anew.",
    ("memory",),
)
NAIVE = Case(
    "naive Beam",
    "text.naive_beam",
    "`json.load` of the two official files, a row an element, `CoGroupByKey`, `Map` to a dict, "
    "`WriteToParquet` (zstd, 8 shards); does not order, stage, hash or fsync.",
    ("official",),
)
NAIVE_JOINED = Case(
    "naive Beam, joined rows",
    "text.naive_beam",
    "is spared the join: `ReadFromText` of rows that were joined beforehand, typed decoding by msgspec.",
    ("joined",),
)
HUGGING_FACE = Case(
    "Hugging Face",
    "text.hugging_face",
    "`load_dataset('json')` of the two official files, `map(batched=True)` that looks annotations up by "
    "question, `to_parquet` (one file); writes its Arrow cache besides; does not order, hash or fsync.",
    ("official",),
)
HUGGING_FACE_JOINED = Case(
    "Hugging Face, joined rows",
    "text.hugging_face",
    "is spared the join: `load_dataset('json')` of rows that were joined beforehand.",
    ("joined",),
)
CASES = (OURS, LOOP, MEMORY_LOOP, NAIVE, NAIVE_JOINED, HUGGING_FACE, HUGGING_FACE_JOINED)
MORE_REPETITIONS = 3
"""The first two are within a few percent of each other, and runs differ by more: they run more often."""


def main() -> None:
    with settings(NAME, QUESTION, rows=200_000) as chosen:
        write_vqav2(chosen.source, chosen.rows)
        write_joined(chosen.source)
        megabytes = sum(p.stat().st_size for p in chosen.source.glob("vqav2/*")) / 1e6
        same = SameRecords()
        close = chosen.repetitions * MORE_REPETITIONS
        measured = measure(CASES[:2], chosen.source, chosen.scratch, close, same)
        measured |= measure(CASES[2:], chosen.source, chosen.scratch, chosen.repetitions, same)
        hashes = {
            cost.reported["content_hash"]
            for case in (OURS, LOOP, MEMORY_LOOP)
            for cost in measured[case.name].costs
        }
        if len(hashes) != 1:
            raise SystemExit(f"our builds differ in their content hash: {hashes}")
        results = Results(
            title="Building a text-only split",
            question=QUESTION,
            input=f"{chosen.rows:,} made-up VQAv2 questions with 10 answers each, {megabytes:.0f} MB of "
            "JSON in the two official files, page cache warm. All contestants make their records with "
            "the same `examples` and `draw` functions; that the records are equal is checked in every "
            "run.",
            cases={case.name: case.what for case in CASES},
            measured=measured,
            columns=columns(chosen.rows),
            goals=goals(measured, chosen.rows),
            notes=[NOTE],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


NOTE = (
    "Ratios compare the run of each case that took least, the table has medians: CPU seconds of one "
    "case differ by a tenth and more between runs here, since other machines share the hardware. "
    "CPU seconds are user and system time of the whole process tree. Figures without imports begin when "
    "the case's modules are imported, and end when its `run` returns; those with imports are of the "
    "whole process. What Beam itself imports or starts while a pipeline runs counts in both. Memory is "
    "the peak of the tree: resident, and private (the unique set size)."
)


def columns(rows: int) -> Sequence[Column]:
    return (
        Column("records/s", lambda m: rows / m.middle(wall)),
        Column("records/CPU-s", lambda m: rows / m.middle(cpu)),
        Column("with imports", lambda m: rows / m.middle(whole_cpu)),
        *RESOURCES,
    )


def whole_cpu(cost: Cost) -> float:
    return cost.cpu_seconds


def goals(measured: Mapping[str, Measured], rows: int) -> Sequence[Goal]:
    ours = measured[OURS.name]

    def ratio(case: Case, value: Callable[[Cost], float] = cpu) -> float:
        return measured[case.name].least(value) / ours.least(value)

    def of_medians(case: Case) -> float:
        return measured[case.name].middle(cpu) / ours.middle(cpu)

    per_second = rows / measured[LOOP.name].middle(cpu)
    return (
        Goal("our Beam build / straight loop, records per CPU second", ratio(LOOP), 0.95),
        Goal("the same, of the medians", of_medians(LOOP)),
        Goal("the same with imports", ratio(LOOP, whole_cpu)),
        Goal("our Beam build / naive Beam", ratio(NAIVE), 3),
        Goal("the same, of the medians", of_medians(NAIVE)),
        Goal("our Beam build / naive Beam that is spared the join", ratio(NAIVE_JOINED)),
        Goal("our Beam build / Hugging Face", ratio(HUGGING_FACE), 2),
        Goal("our Beam build / Hugging Face that is spared the join", ratio(HUGGING_FACE_JOINED)),
        Goal("straight loop, records per CPU second", per_second, 20_000),
        Goal("our peak resident MB", ours.peak_resident_bytes / 1e6, 450, at_most=True),
    )


class SameRecords:
    """Stops the benchmark if two contestants made other records, their order put aside."""

    def __init__(self) -> None:
        self.expected: pa.Table | None = None

    def __call__(self, case: Case, output: Path) -> None:
        found = sorted(output.rglob("*.parquet"))  # a build writes tables of other kinds too
        paths = [path for path in found if "record_id" in pq.read_schema(path).names]
        table = pa.concat_tables([pq.read_table(path, columns=COMPARED) for path in paths])
        table = table.sort_by("record_id").combine_chunks()
        self.expected = self.expected or table
        if not table.cast(self.expected.schema).equals(self.expected):
            raise SystemExit(f"{case.name} made other records than the first case")


if __name__ == "__main__":
    main()
