"""Processes that read data: they end with their run, and a run ends without them."""

import os
import signal
import threading

import psutil
import pytest

LONG = ("optimizer.steps=1000", "checkpoint.every=500", "data.workers=1")


def below(pid: int) -> list[psutil.Process]:
    """The process that forks readers, then the reader."""
    for child in psutil.Process(pid).children():
        if readers := child.children():
            return [child, *readers]
    return []


@pytest.mark.slow
@pytest.mark.parametrize("who", ["reader", "its parent"])
def test_a_reader_that_is_killed_ends_the_run_with_one_sentence(warm, setup, who):
    process = warm.start(setup, *LONG)
    process.wait_for("step      3/")
    parent, reader = below(process.pid)
    (reader if who == "reader" else parent).kill()
    ended = process.end(60)
    assert ended.status == 2, ended.printed
    assert "visinstruct: a process that reads data has ended (" in ended.printed
    assert "lower data.workers" in ended.printed
    assert "Traceback" not in ended.printed


@pytest.mark.slow
def test_readers_outlive_neither_a_killed_run_nor_sigterm(warm, setup):
    process = warm.start(setup, *LONG)
    process.wait_for("step      3/")
    readers = below(process.pid)
    assert len(readers) == 2
    for each in readers:
        each.terminate()  # as launchers and clusters do, to all processes of a job
    threading.Event().wait(1)
    assert all(each.is_running() for each in readers)
    os.kill(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(readers, timeout=30)
    assert not alive
