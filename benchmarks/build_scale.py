"""Does the build keep its rate, and its memory, from 200,000 to 14 million rows?

`python -m benchmarks.build_scale [--rows N] [--scratch DIR] [--out FILE.json]`; N is the smallest size.
"""

from collections.abc import Mapping, Sequence

from benchmarks.harness.generate import write_captions
from benchmarks.harness.measure import Case, Cost, Measured, measure_once
from benchmarks.harness.report import Column, Goal, Results
from benchmarks.harness.settings import settings
from datagen.build.options import parse_size

NAME = "build_scale"
QUESTION = "Does the build keep its rate, and its memory, from 200,000 to 14 million rows?"
PACKAGES = ("apache-beam", "pyarrow", "msgspec")
FILE = "web_capfilt/ccs_synthetic_filtered_large.json"
TIMES = (1, 10, 70)  # of the smallest size: 200,000, 2 million, 14 million
MODULE = "scale.beam_build"
MAX_MEMORY = "1GB"


def cases(rows: int) -> list[Case]:
    small, middle, large = (rows * times for times in TIMES)
    what = f"text only, `--max-memory {MAX_MEMORY}`"
    return [
        Case(f"{small:,} rows", MODULE, f"one process, {what}", (str(small), "1", MAX_MEMORY)),
        Case(f"{middle:,} rows", MODULE, f"one process, {what}", (str(middle), "1", MAX_MEMORY)),
        Case(
            f"{middle:,} rows, two workers", MODULE, "two processes", (str(middle), "2", MAX_MEMORY)
        ),
        Case(f"{large:,} rows", MODULE, f"one process, {what}", (str(large), "1", MAX_MEMORY)),
    ]


def main() -> None:
    with settings(NAME, QUESTION, rows=200_000, repetitions=1) as chosen:
        measured = {}
        for case in cases(chosen.rows):
            path = chosen.source / case.arguments[0] / FILE
            if not path.exists():
                write_captions(path, int(case.arguments[0]))
            measured[case.name] = measure_once(case, chosen.source, chosen.scratch)
        results = Results(
            title="Building splits of growing size",
            question=QUESTION,
            input="made-up rows of Web CapFilt, an address and a caption of five to twelve words each; "
            "no images.",
            cases={case.name: case.what for case in cases(chosen.rows)},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured),
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


def wall(cost: Cost) -> float:
    return cost.work_wall_seconds


def rate(measured: Measured) -> float:
    return int(measured.case.arguments[0]) / measured.middle(wall)


COLUMNS: Sequence[Column] = (
    Column("records/s", rate),
    Column("seconds", lambda m: m.middle(wall)),
    Column("CPU s", lambda m: m.middle(lambda cost: cost.work_cpu_seconds)),
    Column("resident MB", lambda m: m.peak_resident_bytes / 1e6),
    Column("private MB", lambda m: m.peak_private_bytes / 1e6),
)


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    small, middle, workers, large = measured.values()
    return (
        Goal("rate of the middle size / of the smallest", rate(middle) / rate(small), 0.85),
        Goal("rate of the largest size / of the smallest", rate(large) / rate(small), 0.85),
        Goal(
            "peak resident MB of the largest",
            large.peak_resident_bytes / 1e6,
            parse_size(MAX_MEMORY) / 1e6,
            at_most=True,
        ),
        Goal("two workers / one process, records/s", rate(workers) / rate(middle), 1.5),
    )


if __name__ == "__main__":
    main()
