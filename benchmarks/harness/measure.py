"""Measures the cases of a benchmark: each run in a fresh process, the cases in turn.

Counted are wall and CPU seconds, and peak memory, of the whole process tree. Reading a process's
memory slows it down, so that each case has one more run, for its memory alone.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from benchmarks.harness.memory import Memory, tree_memory

BUSY_LOAD = 1.25 * (os.cpu_count() or 2)
PATIENCE_SECONDS = 600
SAMPLE_SECONDS = 0.005
T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """A contestant: `benchmarks.<module>` has a `run(input, output, *arguments)`.

    It runs with `python`, by default that of the benchmark.
    """

    name: str
    module: str
    what: str
    arguments: tuple[str, ...] = ()
    python: str = sys.executable


@dataclass(frozen=True)
class Cost:
    """Cost of one run; `work_` figures leave out the start and end of Python and its imports.

    `load` is the load of the machine before the run, `reported` what the case returned (`says` in results files).
    """

    wall_seconds: float
    cpu_seconds: float
    work_wall_seconds: float
    work_cpu_seconds: float
    load: float
    reported: Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """Costs of a case: its runs, and its peak memory in a run of its own.

    A page that several processes share is resident in each. `ready_private_bytes` are the private
    ones after the imports.
    """

    case: Case
    costs: Sequence[Cost]
    peak_resident_bytes: int
    peak_private_bytes: int
    ready_private_bytes: int

    def middle(self, value: Callable[[Cost], float]) -> float:
        return median(map(value, self.costs))

    def least(self, value: Callable[[Cost], float]) -> float:
        """Return the least value over the runs: other work of the machine only adds to a cost."""
        return min(map(value, self.costs))


def measure(
    cases: Sequence[Case],
    source: Path,
    scratch: Path,
    repetitions: int,
    check: Callable[[Case, Path], None] | None = None,
    patience_seconds: float | None = None,
    sample_seconds: float = SAMPLE_SECONDS,
) -> dict[str, Measured]:
    """Run every case `repetitions` times, in turn, starting with another one each time.

    A run waits at most `patience_seconds`, by default `PATIENCE_SECONDS`, for a quiet machine. Memory is read every `sample_seconds`.

    A case reads from `source` and writes to a new folder in `scratch`, which is removed after the run.
    The output of the run for memory is checked by `check` before.
    """
    output = scratch / "output"
    costs: dict[str, list[Cost]] = {case.name: [] for case in cases}
    for repetition in range(repetitions):
        first = repetition % len(cases)
        for case in (*cases[first:], *cases[:first]):
            output.mkdir()
            cost = _timed_run(case, source, output, patience_seconds)
            shutil.rmtree(output)
            costs[case.name].append(cost)
            print(
                f"{repetition + 1}/{repetitions} {case.name}: {cost.work_wall_seconds:.2f} s, "
                f"{cost.work_cpu_seconds:.2f} CPU s, load {cost.load:.1f}",
                file=sys.stderr,
            )
    measured = {}
    for case in cases:
        output.mkdir()
        peak, reported = _run(case, source, output, partial(_watch_memory, seconds=sample_seconds))
        if check is not None:
            check(case, output)
        shutil.rmtree(output)
        ready = int(reported["ready"]["private_bytes"])
        measured[case.name] = Measured(
            case, costs[case.name], peak.resident, max(peak.private, ready), ready
        )
    return measured


def measure_once(case: Case, source: Path, scratch: Path) -> Measured:
    """Run a case once, one so long that reading its memory four times a second costs nothing."""
    output = scratch / "output"
    output.mkdir()
    os.sync()
    load = _load_when_quiet()
    peak, reported = _run(case, source, output, partial(_watch_memory, seconds=0.25))
    shutil.rmtree(output)
    ready, done = reported["ready"], reported["done"]
    wall = done["wall_seconds"] - ready["wall_seconds"]
    spent = done["cpu_seconds"] - ready["cpu_seconds"]
    cost = Cost(wall, done["cpu_seconds"], wall, spent, load, reported["report"])
    private = int(ready["private_bytes"])
    print(f"{case.name}: {wall:.1f} s, {spent:.1f} CPU s, load {load:.1f}", file=sys.stderr)
    return Measured(case, [cost], peak.resident, max(peak.private, private), private)


def _timed_run(case: Case, source: Path, output: Path, patience_seconds: float | None) -> Cost:
    """Run a case once, after the output of earlier runs is synced to the disk."""
    os.sync()
    load = _load_when_quiet(patience_seconds)
    start = time.perf_counter()
    (seconds, spent), reported = _run(case, source, output, _wait)
    ready, done = reported["ready"], reported["done"]
    return Cost(
        wall_seconds=seconds - start,
        cpu_seconds=spent,
        work_wall_seconds=done["wall_seconds"] - ready["wall_seconds"],
        work_cpu_seconds=done["cpu_seconds"] - ready["cpu_seconds"],
        load=load,
        reported=reported["report"],
    )


def _run(
    case: Case, source: Path, output: Path, follow: Callable[["subprocess.Popen[bytes]"], T]
) -> tuple[T, Mapping[str, Any]]:
    """Return what `follow` returns for the case's process, and the report that the case wrote."""
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/printed", "w+b") as printed:
        report = Path(folder, "report.json")
        arguments = (f"benchmarks.{case.module}", str(source), str(output), *case.arguments)
        process = subprocess.Popen(
            [case.python, "-m", "benchmarks.harness.child", str(report), *arguments],
            stdout=printed,
            stderr=printed,
        )
        found = follow(process)
        if process.returncode:
            printed.seek(0)
            raise SystemExit(f"{case.name} failed:\n{printed.read().decode(errors='replace')}")
        return found, json.loads(report.read_text())


def _load_when_quiet(patience_seconds: float | None = None) -> float:
    """Return the machine's load, once it is below `BUSY_LOAD` or `patience_seconds` have passed."""
    patience = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
    until = time.monotonic() + patience
    while os.getloadavg()[0] > BUSY_LOAD and time.monotonic() < until:
        time.sleep(5)
    return os.getloadavg()[0]


def _wait(process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """Return the time at which a process tree ended, and its CPU seconds."""
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.perf_counter()
    process.returncode = os.waitstatus_to_exitcode(status)
    return ended, usage.ru_utime + usage.ru_stime


def _watch_memory(process: "subprocess.Popen[bytes]", seconds: float = SAMPLE_SECONDS) -> Memory:
    """Return the peak memory of a process tree, read every `seconds`; each kind has its own peak."""
    resident = private = 0
    while process.poll() is None:
        used = tree_memory(process.pid)
        resident, private = max(resident, used.resident), max(private, used.private)
        time.sleep(seconds)
    return Memory(resident, private)
