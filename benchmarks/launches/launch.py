"""Starts a run under torchrun and follows its log."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 600.0


@contextmanager
def started(
    config: Path, overrides: Sequence[str], processes: int
) -> Iterator["subprocess.Popen[bytes]"]:
    """A run in a process group of its own, each process with one thread; killed when the block ends."""
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", str(processes))
    free = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0")
    printed = config.with_suffix(".log")
    with printed.open("ab") as file:
        process = subprocess.Popen(
            [*(sys.executable, *launcher, *free), "-m", "trainer.train", str(config), *overrides],
            env=os.environ | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """The launcher and its processes, at once, as a node that loses its power ends them.

    torchrun gives every process that it starts a group of its own.
    """
    for child in _children(process.pid):
        _kill_group(child)
    _kill_group(process.pid)
    process.wait()


def _children(parent: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{parent}/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def finished(process: "subprocess.Popen[bytes]", config: Path) -> None:
    if process.wait():
        raise SystemExit(config.with_suffix(".log").read_text(errors="replace"))


def events(output: Path, kind: str | None = None) -> list[Mapping[str, Any]]:
    """The whole lines of a run's log, or those of one kind."""
    try:
        text = (output / "metrics.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if kind is None or line["event"] == kind]


def wait_for(
    output: Path, kind: str, starts: int, process: "subprocess.Popen[bytes]", config: Path
) -> None:
    """Until the log has an event of this kind after start number `starts` of the run."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        kinds = [event["event"] for event in events(output)]
        if kinds.count("start") >= starts:
            last = len(kinds) - kinds[::-1].index("start")
            if kind in kinds[last:]:
                return
        if process.poll() is not None:
            finished(process, config)
            raise SystemExit(f"the run ended before its {kind}")
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"no {kind} in {PATIENCE_SECONDS:.0f} s")
