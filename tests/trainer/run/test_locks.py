"""Files of a killed run do not stop the next one; a folder in use does."""

import os
import signal

import pytest


def test_a_second_run_into_the_same_folder_is_refused_and_the_first_continues(warm, setup):
    first = warm.start(setup, "optimizer.steps=200", "checkpoint.every=100")
    first.wait_for("step      1/")
    second = warm.run(setup, "optimizer.steps=200", "checkpoint.every=100")
    assert second.status == 2
    assert (
        f"another run is writing to {setup.output()}; wait for it, or set output" in second.printed
    )
    assert "Traceback" not in second.printed
    os.kill(first.pid, signal.SIGTERM)
    assert first.end().status == 75


@pytest.mark.slow
def test_the_folder_of_a_killed_run_is_free_at_once_even_while_its_readers_live(warm, setup):
    first = warm.start(setup, "optimizer.steps=100", "data.workers=1")
    first.wait_for("step      3/")
    os.kill(
        first.pid, signal.SIGKILL
    )  # not its group: the processes that read data are still there
    first.poll()
    second = warm.start(setup, "optimizer.steps=100")
    second.wait_for("step      5/")
    assert "resuming from" in second.printed
    second.kill()
    first.kill()


def test_the_lock_of_a_compilation_that_was_killed_does_not_matter(warm, setup, tmp_path):
    lock = tmp_path / "extensions" / "deepspeed_shm_comm" / "lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    processes = warm.start_all(
        setup, 2, "optimizer.steps=2", TORCH_EXTENSIONS_DIR=str(tmp_path / "extensions")
    )
    assert [process.end().status for process in processes] == [0, 0]
    assert lock.exists()
