"""From which number of rows do two worker processes pay off?

`python -m benchmarks.workers [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`; N is the smallest size.
"""

from collections.abc import Mapping, Sequence

from benchmarks.harness.generate import write_captions
from benchmarks.harness.measure import Case, Cost, Measured, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results
from benchmarks.harness.settings import settings

NAME = "workers"
QUESTION = "From which number of rows do two worker processes pay off?"
PACKAGES = ("apache-beam", "pyarrow", "msgspec")
FILE = "web_capfilt/ccs_synthetic_filtered_large.json"
TIMES = (1, 4, 8)  # of the smallest size: 100,000, 400,000, 800,000
MODULE = "scale.beam_build"
MAX_MEMORY = "1GB"


def cases(rows: int) -> list[Case]:
    return [
        Case(
            name(rows * times, workers),
            MODULE,
            "text only" if workers == 1 else "text only, Beam's own engine",
            (str(rows * times), str(workers), MAX_MEMORY),
        )
        for times in TIMES
        for workers in (1, 2)
    ]


def name(rows: int, workers: int) -> str:
    return f"{rows:,} rows, {'one process' if workers == 1 else 'two processes'}"


def main() -> None:
    with settings(NAME, QUESTION, rows=100_000, repetitions=3) as chosen:
        sizes = [chosen.rows * times for times in TIMES]
        for rows in sizes:
            path = chosen.source / str(rows) / FILE
            if not path.exists():
                write_captions(path, rows)
        all_cases = cases(chosen.rows)
        measured = measure(all_cases, chosen.source, chosen.scratch, chosen.repetitions)
        results = Results(
            title="Two worker processes beside one",
            question=QUESTION,
            input="made-up rows of Web CapFilt, an address and a caption of five to twelve words each; no images.",
            cases={case.name: case.what for case in all_cases},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured, sizes),
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


def wall(cost: Cost) -> float:
    return cost.work_wall_seconds


COLUMNS: Sequence[Column] = (
    Column("records/s", lambda m: int(m.case.arguments[0]) / m.middle(wall)),
    Column("seconds", lambda m: m.middle(wall)),
    *RESOURCES,
)


def goals(measured: Mapping[str, Measured], sizes: Sequence[int]) -> list[Goal]:
    found = []
    for rows in sizes:
        one, two = (measured[name(rows, workers)] for workers in (1, 2))
        extra = two.least(cpu) - one.least(cpu)
        found += [
            Goal(
                f"{rows:,} rows: seconds of one process / of two, medians",
                one.middle(wall) / two.middle(wall),
            ),
            Goal(
                f"{rows:,} rows: seconds of one process / of two, least",
                one.least(wall) / two.least(wall),
            ),
            Goal(f"{rows:,} rows: CPU seconds that two processes take more, least", extra),
        ]
    return found


def cpu(cost: Cost) -> float:
    return cost.work_cpu_seconds


if __name__ == "__main__":
    main()
