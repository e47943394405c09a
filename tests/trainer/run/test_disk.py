"""A disk that fills up while a run writes to it."""

import os
import subprocess

import pytest

from trainer.run import checkpoint


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, for three checkpoints and a bit."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_leaves_the_checkpoints_before_and_the_run_goes_on_with_more_space(
    warm, setup, small_disk, read_events
):
    run = small_disk / "run"
    start = (f"output={run}", "checkpoint.every=1", "checkpoint.keep=100", "optimizer.steps=8")
    ended = warm.run(setup, *start)
    assert ended.status == 2, ended.printed
    assert "no space left on the disk" in ended.printed
    assert "Traceback" not in ended.printed
    report: list[str] = []
    newest = checkpoint.newest(run / "checkpoints", report)
    assert newest is not None and not report
    checkpoint.read_tensors(newest)
    assert not list((run / "checkpoints").glob("*.tmp*")), "what was not finished is gone"
    with pytest.raises(OSError), open(small_disk / "the rest", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
    ended = warm.run(setup, *start)
    assert ended.status == 2, ended.printed
    assert "no space left on the disk" in ended.printed
    assert "Traceback" not in ended.printed
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    ended = warm.run(setup, *start).check()
    assert f"resuming from {newest}" in ended.printed
    assert [line["step"] for line in read_events(run)] == list(range(1, 9))


@pytest.mark.slow
def test_one_of_two_processes_that_meets_a_full_disk_ends_both(warm, setup, small_disk):
    start = (f"output={small_disk / 'run'}", "checkpoint.every=1", "checkpoint.keep=100")
    ended = [p.end() for p in warm.start_all(setup, 2, *start, "optimizer.steps=20")]
    assert [each.status for each in ended] == [2, 2], ended
    assert ended[0].printed.count("no space left on the disk") == 1
    assert ended[1].printed == ""
