"""Writes what a benchmark measured: a table on the terminal, JSON for machines, Markdown for readers."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness.measure import BUSY_LOAD, Cost, Measured

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Goal:
    """A value with the bound that it should reach, from below or above; without a bound, one worth knowing."""

    what: str
    value: float
    bound: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        if self.bound is None:
            return f"{self.what}: {_number(self.value)}"
        wanted = "at most" if self.at_most else "at least"
        verdict = "met" if self.met else "**missed**"
        return (
            f"{self.what}: {_number(self.value)}, wanted {wanted} {_number(self.bound)}: {verdict}"
        )


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    title: str
    value: Callable[[Measured], float]


def wall(cost: Cost) -> float:
    return cost.work_wall_seconds


def cpu(cost: Cost) -> float:
    return cost.work_cpu_seconds


RESOURCES = (
    Column("CPU s", lambda m: m.middle(cpu)),
    Column("imports, CPU s", lambda m: m.middle(lambda c: c.cpu_seconds - c.work_cpu_seconds)),
    Column("resident MB", lambda m: m.peak_resident_bytes / 1e6),
    Column("private MB", lambda m: m.peak_private_bytes / 1e6),
)


@dataclass(frozen=True)
class Results:
    """All that a benchmark found. `cases` describes each contestant."""

    title: str
    question: str
    input: str
    cases: Mapping[str, str]
    measured: Mapping[str, Measured]
    columns: Sequence[Column]
    goals: Sequence[Goal]
    notes: Sequence[str] = ()

    def table(self) -> str:
        head = ["", *(column.title for column in self.columns)]
        rows = [
            [name, *(_number(column.value(measured)) for column in self.columns)]
            for name, measured in self.measured.items()
        ]
        widths = [max(map(len, texts)) for texts in zip(head, *rows, strict=True)]
        lines = [head, ["-" * width for width in widths], *rows]
        return "\n".join(
            f"| {' | '.join(t.ljust(w) for t, w in zip(line, widths, strict=True))} |"
            for line in lines
        )

    def write(
        self, path: Path, versions_of: Sequence[str], others: Mapping[str, str] | None = None
    ) -> None:
        """Write the JSON at `path`, and the Markdown beside it; `others` are versions in other environments."""
        machine, versions = _machine(), _versions(versions_of) | dict(others or {})
        today = time.strftime("%Y-%m-%d")
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "title": self.title,
            "date": today,
            "machine": machine,
            "versions": versions,
            "input": self.input,
            "goals": [{**asdict(goal), "met": goal.met} for goal in self.goals],
            "cases": {name: _published(measured) for name, measured in self.measured.items()},
        }
        path.write_text(json.dumps(document, indent=1) + "\n")
        facts = ", ".join(f"{name} {value}" for name, value in (machine | versions).items())
        text = [
            f"# {self.title}",
            f"{self.question}\n\n{today}; {facts}.\n\nInput: {self.input}",
            *(["\n".join(f"- {goal}" for goal in self.goals)] if self.goals else []),
            f"{self.table()}\n\n{self._how()}",
            "\n".join(f"- **{name}**: {what}" for name, what in self.cases.items()),
            *self.notes,
        ]
        path.with_suffix(".md").write_text("\n\n".join(text) + "\n")

    def _how(self) -> str:
        counts = {len(measured.costs) for measured in self.measured.values()}
        loads = [cost.load for measured in self.measured.values() for cost in measured.costs]
        busy = sum(load > BUSY_LOAD for load in loads)
        how = (
            f"Medians of {'/'.join(map(str, sorted(counts)))} runs, each in a fresh process, the cases "
            "in turn; memory is from a run of its own."
        )
        if counts == {1}:
            how = "One run each, in a fresh process."
        return (
            f"{how} The machine's load before a run was "
            f"{median(loads):.1f} in the middle and {max(loads):.1f} at most; {busy} of {len(loads)} "
            f"runs began above {BUSY_LOAD}."
        )


def _published(measured: Measured) -> dict[str, Any]:
    """Return a case as results files have it, where a run's report is called `says`."""
    case = asdict(measured)
    del case["case"]["python"]  # a path of the machine
    for cost in case["costs"]:
        cost["says"] = cost.pop("reported")
    return case


def _number(value: float) -> str:
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    return {"CPU": model, "cores": str(os.cpu_count()), "memory": f"{memory:.0f} GiB"}


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
