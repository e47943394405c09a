import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from datagen.errors import OptionError
from pipelines.cli.launch import launch, num_processes

STARTER = """
import sys
from pipelines.cli.launch import launch
sys.exit(launch("stoppable", 2, [sys.argv[1]]))
"""

STOPPABLE = """
import os, pathlib, sys, time
from trainer.launch.stop import Stopped, StopSignal

rank = os.environ["RANK"]
try:
    stop = StopSignal()
    pathlib.Path(sys.argv[1], rank).write_text(str(os.getpid()))
    while True:
        time.sleep(0.1)
except Stopped:
    pathlib.Path(sys.argv[1], "saved" + rank).write_text("")
    sys.exit(75)
"""


@pytest.fixture
def started(tmp_path):
    """A launch of two processes that have started, and the folder of their files."""
    (tmp_path / "stoppable.py").write_text(STOPPABLE)
    variables = os.environ | {"PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], env=variables)
    wait_until(lambda: all((tmp_path / name).exists() for name in "01"))
    workers = [psutil.Process(int((tmp_path / name).read_text() or 0)) for name in "01"]
    yield process, workers, tmp_path
    for each in workers:
        if each.is_running():
            each.kill()
    process.kill()
    process.wait()


def wait_until(holds, timeout=60):
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_all_processes_and_the_launch_waits_for_them(started, number):
    process, workers, folder = started
    process.send_signal(number)
    assert process.wait(60) == 75
    assert not any(each.is_running() for each in workers)
    assert (folder / "saved0").exists() and (folder / "saved1").exists()


@pytest.mark.slow
def test_processes_outlive_no_launch_that_was_killed(started):
    process, workers, folder = started
    process.kill()
    wait_until(lambda: (folder / "saved0").exists() and (folder / "saved1").exists())
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_less_than_one_process_is_refused():
    with pytest.raises(OptionError, match="--processes is 0, give 1 or more"):
        num_processes(0)


def test_the_first_failure_is_the_status(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text("import os, sys; sys.exit(2 * int(os.environ['RANK']))")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert launch("failing", 2, []) == 2


def test_processes_find_our_packages_whatever_the_working_folder_holds(
    tmp_path, monkeypatch, capfd
):
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer/__init__.py").write_text("raise SystemExit('the foreign package was run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    assert launch("trainer.train", 2, ["--help"]) == 0
    assert capfd.readouterr().out.count("usage: trainer.train") == 2
    assert "PYTHONSAFEPATH" not in os.environ
