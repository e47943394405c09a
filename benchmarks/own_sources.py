"""Building from a source file, beside a built-in adapter of the same shape; and the memory that large files take.

`python -m benchmarks.own_sources [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from collections.abc import Mapping, Sequence

from benchmarks.harness.measure import Case, Measured, measure, measure_once
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu
from benchmarks.harness.settings import settings
from benchmarks.own.inputs import write_inputs

NAME = "own_sources"
QUESTION = (
    "How fast is a build from a source file, beside a built-in adapter that reads the same files, and how "
    "much memory do large files take?"
)
PACKAGES = ("apache-beam", "pyarrow", "msgspec", "jmespath")
PAIRS = {
    "two JSON files": (
        Case("vqav2, two JSON files", "own.built_in", "the adapter of VQAv2.", ("vqav2",)),
        Case(
            "source file, two JSON files",
            "own.declared",
            "the same files by a source file with a join.",
            ("own_vqav2",),
        ),
    ),
    "JSON lines": (
        Case("vsr, JSON lines", "own.built_in", "the adapter of VSR.", ("vsr",)),
        Case("source file, JSON lines", "own.declared", "the same file.", ("own_vsr",)),
    ),
}
LARGE = (
    Case("source file, large CSV", "own.declared", "VQA rows of 5 kB.", ("large_csv",)),
    Case("source file, large JSON", "own.declared", "VQA rows of 5 kB.", ("large_json",)),
)
MAX_MEGABYTES = 1_074  # half of the `--max-memory` of a worker


def main() -> None:
    with settings(NAME, QUESTION, rows=100_000, repetitions=3) as chosen:
        write_inputs(chosen.source, chosen.rows)
        pairs = [case for pair in PAIRS.values() for case in pair]
        measured = measure(pairs, chosen.source, chosen.scratch, chosen.repetitions)
        for case in LARGE:
            measured[case.name] = measure_once(case, chosen.source, chosen.scratch)
        large = [(chosen.source / f"large.{end}").stat().st_size / 1e6 for end in ("csv", "json")]
        results = Results(
            title="Building from a source file",
            question=QUESTION,
            input=f"{chosen.rows:,} made-up VQAv2 questions with ten answers each, as many VSR statements, one "
            f"small image for all; a CSV of {large[0]:.0f} MB and a JSON document of {large[1]:.0f} MB, whose rows are "
            "mostly a column that is not used. Page cache warm.",
            cases={case.name: case.what for case in (*pairs, *LARGE)},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured),
            notes=[NOTE],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


NOTE = (
    "Rates are per CPU second, since other work shared the processors: wall time means nothing here. Ratios "
    "compare the run of each case that took least. The large files ran once, their memory read four times a second; "
    "the goal for files of 5 GB and 2 GB was not measured at that size."
)


def written(measured: Measured) -> int:
    return int(measured.costs[0].reported["rows"])


COLUMNS: Sequence[Column] = (
    Column("records", written),
    Column("records/CPU-s", lambda m: written(m) / m.middle(cpu)),
    *RESOURCES,
)


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    ratios = [
        Goal(
            f"{shape}: source file / built-in adapter, records per CPU second",
            (written(measured[own.name]) / measured[own.name].least(cpu))
            / (written(measured[built_in.name]) / measured[built_in.name].least(cpu)),
            0.5,
        )
        for shape, (built_in, own) in PAIRS.items()
    ]
    memory = [
        Goal(
            f"{case.name}: peak resident MB",
            measured[case.name].peak_resident_bytes / 1e6,
            MAX_MEGABYTES,
            at_most=True,
        )
        for case in LARGE
    ]
    return (*ratios, *memory)


if __name__ == "__main__":
    main()
