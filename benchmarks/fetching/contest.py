"""The common frame of a contestant: one processor, another one for the server, and what each spent."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

THREADS = 64


@contextmanager
def contest(source: str, output: str) -> Iterator[dict[str, Any]]:
    """Give what a run reports; when the block ends, the images that were written and the server's CPU seconds are in it."""
    server = psutil.Process(int(Path(source, "server.pid").read_text()))
    before, processors = server.cpu_times(), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    report: dict[str, Any] = {}
    try:
        yield report
    finally:
        os.sched_setaffinity(0, processors)
    spent = server.cpu_times()
    report["server_cpu_seconds"] = spent.user + spent.system - before.user - before.system
    report["images"] = sum(1 for path in Path(output).rglob("*.jpg"))


def urls(source: str) -> Sequence[str]:
    return Path(source, "list.txt").read_text().split()
