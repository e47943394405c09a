"""Measures the cases of a benchmark: each run in a fresh process, the cases in turn.

Counted are wall and CPU seconds, and peak memory, of the whole process tree. Looking at a process's
memory slows it down, so that every case has one run more, for its memory alone.
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
    """A contestant: `benchmarks.<module>` has a `run(input, output, *arguments)`."""

    name: str
    module: str
    what: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What one run cost; `work_` figures leave out the start of Python, imports, and its end.

    `load` is the machine's before the run, `says` what the case tells of its work.
    """

    wall_seconds: float
    cpu_seconds: float
    work_wall_seconds: float
    work_cpu_seconds: float
    load: float
    says: Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """What a case cost: its runs, and its peak memory in a run of its own.

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
        """Of the run that was disturbed least: what else a machine does only adds to a cost."""
        return min(map(value, self.costs))


def measure(
    cases: Sequence[Case],
    source: Path,
    scratch: Path,
    repetitions: int,
    check: Callable[[Case, Path], None] | None = None,
) -> dict[str, Measured]:
    """Run every case `repetitions` times, in turn and each time from another one on.

    A case reads from `source` and writes to a new folder in `scratch`, which is removed after the run.
    The output of the run for memory goes to `check` before.
    """
    output = scratch / "output"
    costs: dict[str, list[Cost]] = {case.name: [] for case in cases}
    for repetition in range(repetitions):
        first = repetition % len(cases)
        for case in (*cases[first:], *cases[:first]):
            output.mkdir()
            cost = _timed_run(case, source, output)
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
        peak, heard = _run(case, source, output, _watch_memory)
        if check is not None:
            check(case, output)
        shutil.rmtree(output)
        ready = int(heard["ready"]["private_bytes"])
        measured[case.name] = Measured(
            case, costs[case.name], peak.resident, max(peak.private, ready), ready
        )
    return measured


def measure_once(case: Case, source: Path, scratch: Path) -> Measured:
    """One run of a case so long that looking at its memory now and then costs it nothing."""
    output = scratch / "output"
    output.mkdir()
    os.sync()
    load = _load_when_quiet()
    peak, heard = _run(case, source, output, partial(_watch_memory, seconds=0.25))
    shutil.rmtree(output)
    ready, done = heard["ready"], heard["done"]
    wall = done["wall_seconds"] - ready["wall_seconds"]
    spent = done["cpu_seconds"] - ready["cpu_seconds"]
    cost = Cost(wall, done["cpu_seconds"], wall, spent, load, heard["says"])
    private = int(ready["private_bytes"])
    print(f"{case.name}: {wall:.1f} s, {spent:.1f} CPU s, load {load:.1f}", file=sys.stderr)
    return Measured(case, [cost], peak.resident, max(peak.private, private), private)


def _timed_run(case: Case, source: Path, output: Path) -> Cost:
    """One run; what earlier ones have written is on the disk before it starts."""
    os.sync()
    load = _load_when_quiet()
    start = time.perf_counter()
    (seconds, spent), heard = _run(case, source, output, _wait)
    ready, done = heard["ready"], heard["done"]
    return Cost(
        wall_seconds=seconds - start,
        cpu_seconds=spent,
        work_wall_seconds=done["wall_seconds"] - ready["wall_seconds"],
        work_cpu_seconds=done["cpu_seconds"] - ready["cpu_seconds"],
        load=load,
        says=heard["says"],
    )


def _run(
    case: Case, source: Path, output: Path, follow: Callable[["subprocess.Popen[bytes]"], T]
) -> tuple[T, Mapping[str, Any]]:
    """What `follow` finds of the case's process, and what the case told in the end."""
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/printed", "w+b") as printed:
        told = Path(folder, "told.json")
        arguments = (f"benchmarks.{case.module}", str(source), str(output), *case.arguments)
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.child", str(told), *arguments],
            stdout=printed,
            stderr=printed,
        )
        found = follow(process)
        if process.returncode:
            printed.seek(0)
            raise SystemExit(f"{case.name} failed:\n{printed.read().decode(errors='replace')}")
        return found, json.loads(told.read_text())


def _load_when_quiet() -> float:
    """The machine's load, once it is low enough or we have waited long enough."""
    until = time.monotonic() + PATIENCE_SECONDS
    while os.getloadavg()[0] > BUSY_LOAD and time.monotonic() < until:
        time.sleep(5)
    return os.getloadavg()[0]


def _wait(process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """When a process tree ended, and the CPU seconds that it took."""
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.perf_counter()
    process.returncode = os.waitstatus_to_exitcode(status)
    return ended, usage.ru_utime + usage.ru_stime


def _watch_memory(process: "subprocess.Popen[bytes]", seconds: float = SAMPLE_SECONDS) -> Memory:
    """The peak memory of a process tree, each kind at its own time, looked at every `seconds`."""
    resident = private = 0
    while process.poll() is None:
        used = tree_memory(process.pid)
        resident, private = max(resident, used.resident), max(private, used.private)
        time.sleep(seconds)
    return Memory(resident, private)
