"""A process that is gone: the others end within a minute and say why, even where nothing kills them."""

import os
import signal
import time

import pytest

LONG = ("optimizer.steps=2000", "checkpoint.every=1000")
MINUTE = 60


def ended_within_a_minute(processes):
    start = time.monotonic()
    ended = [process.end(MINUTE) for process in processes]
    assert time.monotonic() - start < MINUTE
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_without_a_launcher_the_others_end_when_one_is_killed(warm, setup, lost):
    processes = warm.start_all(setup, 3, *LONG, "batch.global_size=12")
    processes[0].wait_for("step      3/")
    os.kill(processes[lost].pid, signal.SIGKILL)
    ended = ended_within_a_minute(processes)
    assert ended[lost].status == -signal.SIGKILL
    for rank, each in enumerate(ended):
        if rank == lost:
            continue
        assert each.status == 76, each.printed
        assert f"visinstruct: process {rank} ends: process {lost}" in each.printed
        assert "Traceback" not in each.printed, each.printed


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_without_a_launcher_the_others_end_when_one_hangs(warm, setup, lost):
    """Stopped, not gone: no connection is closed, as when a host loses its network."""
    processes = warm.start_all(setup, 2, *LONG, "silence_limit=12")
    processes[0].wait_for("step      3/")
    os.kill(processes[lost].pid, signal.SIGSTOP)
    other = processes[1 - lost].end(MINUTE)
    processes[lost].kill()
    assert other.status == 76, other.printed
    assert f"process {1 - lost} ends: process {lost}" in other.printed


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0, 1])
def test_without_a_launcher_the_others_end_when_one_raises(warm, setup, tmp_path, failing):
    """Its own cache folder cannot be made, as on a host whose disk is full or read-only."""
    (tmp_path / "file").write_text("")
    from trainer.launch.distributed import free_port

    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = []
    for rank in range(2):
        place = "file/cache" if rank == failing else "cache"
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        overrides = [*LONG, f"data.cache_dir={tmp_path / place}"]
        processes.append(warm.start(setup, *overrides, **ranks, **together))
    ended = ended_within_a_minute(processes)
    assert ended[failing].status == 2, ended
    assert ended[1 - failing].status == 76, ended
    assert f"process {1 - failing} ends: process {failing} failed: " in ended[1 - failing].printed
    assert "the cache folder" in ended[0].printed
    assert not any("Traceback" in each.printed for each in ended)


@pytest.mark.slow
def test_without_a_launcher_the_others_end_when_one_is_interrupted(warm, setup):
    """Before the first step, when there is nothing to save."""
    processes = warm.start_all(setup, 2, *LONG)
    while not (setup.output() / "lock").exists():
        assert processes[1].poll() is None
    os.kill(processes[1].pid, signal.SIGINT)
    ended = ended_within_a_minute(processes)
    assert [each.status for each in ended] == [76, 130]
    assert "process 0 ends: process 1 failed: interrupted" in ended[0].printed
    assert not any("Traceback" in each.printed for each in ended)


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "lost"), [("torchrun", 0), ("deepspeed", 1)])
def test_under_a_launcher_the_run_ends_when_one_is_killed(
    setup, launcher, lost, wait_for_file_with, processes_of
):
    process = setup.start(*LONG, processes=2, launcher=launcher)
    wait_for_file_with(setup.output() / "metrics.jsonl", '"event": "step"', process)
    ranks = processes_of(str(setup.config))
    assert len(ranks) == 2
    os.kill(ranks[lost], signal.SIGKILL)
    start = time.monotonic()
    printed, _ = process.communicate(timeout=MINUTE)
    assert time.monotonic() - start < MINUTE
    assert process.returncode != 0
    assert "SIGKILL" in printed or "return code = -9" in printed or f"process {lost}" in printed
    assert processes_of(str(setup.config)) == []
