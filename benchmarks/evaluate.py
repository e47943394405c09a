"""Does an evaluation of 100,000 records stay in bounded memory, and what does it cost beside the model?"""

from benchmarks.evaluating.inputs import write_inputs
from benchmarks.harness.measure import Case, Measured, measure_once
from benchmarks.harness.report import RESOURCES, Column, Goal, Results
from benchmarks.harness.settings import settings

TASKS = {"gqa": "generated", "visdial": "ranked, 100 candidates each"}
MOST_GROWTH = 4_000
"""Bytes a record: what a metric keeps of it, with the pages of Python's objects."""


def main() -> None:
    with settings("evaluate", __doc__ or "", rows=100_000, repetitions=1) as given:
        measured: dict[str, Measured] = {}
        sizes = (given.rows // 100, given.rows)
        for task in TASKS:
            for rows in sizes:
                folder = write_inputs(given.source / f"{task}-{rows}", task, rows)
                case = Case(f"{task}, {rows:,}", "evaluating.by_rule", TASKS[task], (task,))
                measured[case.name] = measure_once(case, folder, given.scratch)
        results = Results(
            title="Evaluation: memory and time beside the model",
            question=__doc__ or "",
            input="records of the drawn sample, repeated under new ids; images of 64 x 64 embedded",
            cases={name: each.case.what for name, each in measured.items()},
            measured=measured,
            columns=(Column("records a second", rate), *RESOURCES),
            goals=[
                Goal(
                    f"bytes of memory a record, {task}",
                    growth(measured, task, sizes),
                    MOST_GROWTH,
                    at_most=True,
                )
                for task in TASKS
            ],
        )
        print(results.table())
        results.write(given.out, ("visinstruct", "torch", "pyarrow"))


def rate(measured: Measured) -> float:
    [cost] = measured.costs
    return float(cost.reported["records"]) / cost.work_wall_seconds


def growth(measured: dict[str, Measured], task: str, sizes: tuple[int, int]) -> float:
    """Return the additional memory of each further record, in bytes."""
    small, large = (measured[f"{task}, {rows:,}"].peak_private_bytes for rows in sizes)
    return (large - small) / (sizes[1] - sizes[0])


if __name__ == "__main__":
    main()
