"""Time that a user waits for `visinstruct --help`, and for a build of 100 rows.

`python -m benchmarks.startup [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from collections.abc import Mapping, Sequence

from benchmarks.harness.generate import write_vqav2
from benchmarks.harness.measure import Case, Measured, measure
from benchmarks.harness.report import Column, Goal, Results, cpu, wall
from benchmarks.harness.settings import settings

NAME = "startup"
QUESTION = "Time that a user waits for `visinstruct --help`, and for a build of 100 rows."
PACKAGES = ("apache-beam", "pyarrow", "pydantic", "rich")
MODULE = "harness.command"
BUILD = [
    "build",
    "--raw",
    "{source}",
    "--out",
    "{output}/dataset",
    "--sources",
    "vqav2",
    "--missing-images",
    "keep",
]


def cases(rows: int) -> list[Case]:
    build = f"a build of {rows:,} rows"
    return [
        Case("--help", MODULE, "`visinstruct --help`", ("--help",)),
        Case(build, MODULE, f"`visinstruct {' '.join(BUILD)}`", tuple(BUILD)),
    ]


def main() -> None:
    with settings(NAME, QUESTION, rows=100, repetitions=11) as chosen:
        write_vqav2(chosen.source, chosen.rows)
        contestants = cases(chosen.rows)
        measured = measure(contestants, chosen.source, chosen.scratch, chosen.repetitions)
        results = Results(
            title="Starting",
            question=QUESTION,
            input=f"{chosen.rows:,} made-up questions of VQAv2 and their annotations; no images.",
            cases={case.name: case.what for case in contestants},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured),
            notes=["Seconds are those of the command's process, from its start to its end."],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


COLUMNS: Sequence[Column] = (
    Column("seconds", lambda m: m.middle(wall)),
    Column("least", lambda m: m.least(wall)),
    Column("CPU s", lambda m: m.middle(cpu)),
    Column("resident MB", lambda m: m.peak_resident_bytes / 1e6),
)


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    command_help, build = measured.values()
    return (
        Goal("seconds of `--help`", command_help.middle(wall), 0.5, at_most=True),
        Goal("seconds of the build", build.middle(wall), 5, at_most=True),
    )


if __name__ == "__main__":
    main()
