import os
import signal
import stat

import pytest

from trainer.launch.stop import STOP_SIGNALS, Stopped, StopSignal, queue_again


@pytest.fixture
def stop():
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield StopSignal()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def without_limit(monkeypatch):
    """The process that runs this test is not ended."""
    monkeypatch.setattr("trainer.launch.stop._PATIENCE_SECONDS", 1e6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_outside_of_the_loop_a_signal_stops_at_once(stop, without_limit, number):
    with pytest.raises(Stopped):
        signal.raise_signal(number)
    assert stop.received
    assert stop.requeue == (number == signal.SIGUSR1)


def test_no_handler_of_exceptions_swallows_it(stop, without_limit):
    with pytest.raises(Stopped):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception:
            pytest.fail("a library that continues after errors would have continued")


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_in_the_loop_a_signal_is_noted(stop, number, capsys):
    with stop.deferred():
        signal.raise_signal(number)
        assert stop.received
    assert ("Ctrl-C again" in capsys.readouterr().err) == (number == signal.SIGINT)


def test_a_second_ctrl_c_interrupts_the_loop_but_not_one_beside_sigterm(stop):
    """A launcher that is sent Ctrl-C passes it on as SIGTERM, and the terminal sends it as well."""
    with stop.deferred():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_outside_of_the_loop_ctrl_c_interrupts(stop):
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_slurm_is_asked_to_queue_the_job_again(tmp_path, monkeypatch):
    program, arguments = tmp_path / "scontrol", tmp_path / "asked"
    program.write_text(f'#!/bin/sh\necho "$@" > {arguments}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert queue_again({"SLURM_JOB_ID": "17"}) == "job 17 is queued again"
    assert arguments.read_text() == "requeue 17\n"
    program.write_text("#!/bin/sh\necho no such job >&2\nexit 1\n")
    assert "failed: no such job; submit the job again" in queue_again({"SLURM_JOB_ID": "17"})
    assert "no job of Slurm" in queue_again({})
