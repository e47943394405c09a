"""Builds that are killed, at whatever moment, and started again by the same command."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from datagen.sample.write import write_sample
from datagen.stores.any_files import AnyFiles
from pipelines.cli.main import main

PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
LONGEST_GRPC_WAIT_SECONDS = 180
AFTER_PLANNING = 150
"""More files than planning makes."""


@pytest.fixture(scope="module")
def larger_raw(tmp_path_factory):
    """All 26 sources: work for a second or two, in many small files."""
    folder = tmp_path_factory.mktemp("larger") / "raw"
    write_sample(folder, num_scenes=60)
    return folder


@pytest.fixture(scope="module")
def undisturbed(larger_raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    command = ["build", "--raw", str(larger_raw), "--out", str(out)]
    assert main([*command, "--images", "embed"]) == 0
    return out


def files_in_staging(out: Path) -> int:
    found = 0
    for root in out.parent.glob(f"{out.name}.staging-*"):
        for _, _, names in os.walk(root):
            found += sum(not name.endswith(".tmp") for name in names)
    return found


def wait_for_files(process, out: Path, number: int) -> bool:
    """Wait until the process has made so many files; False if it ends before."""
    before = files_in_staging(out)
    while process.poll() is None:
        assert not out.exists() or (out / "manifest.json").exists()
        if files_in_staging(out) >= before + number:
            return True
        try:
            process.wait(0.001)
        except subprocess.TimeoutExpired:
            continue
    return False


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize(
    "kills", [3, pytest.param(20, marks=pytest.mark.slow)], ids="{} kills".format
)
def test_a_build_that_is_killed_ends_with_the_bytes_of_one_that_is_not(
    kills, larger_raw, undisturbed, tmp_path, start, digests
):
    """Killed again and again; one that ends before its time is compared, and a new one begun."""
    out = tmp_path / "out"
    command = ("build", "--raw", larger_raw, "--out", out, "--images", "embed")
    chance = random.Random(kills)
    killed = 0
    while killed < kills:
        process = start(*command)
        if wait_for_files(process, out, chance.randint(1, max(2, 360 // kills))):
            kill(process)
            killed += 1
            assert not out.exists() or (out / "manifest.json").exists()
        else:
            assert process.end().status == 0
            assert digests(out) == digests(undisturbed)
            shutil.rmtree(out)
    outcome = start(*command).end()
    assert outcome.status == 0, outcome.err
    assert digests(out) == digests(undisturbed)
    assert os.listdir(tmp_path) == ["out"]


class Stopped(BaseException):
    """Stands for a kill: no `except Exception` catches it."""


def test_a_build_goes_on_after_a_stop_at_any_of_its_files(raw, tmp_path, monkeypatch, digests):
    """Every file that a small build makes is once the last one, and once the first lost one."""
    command = ["build", "--raw", str(raw), "--sources", "msvd_qa", "--splits", "val", "--images"]
    command += ["embed", "--out"]
    assert main([*command, str(tmp_path / "expected")]) == 0
    create = AnyFiles.create
    stops = 0
    for number in range(100):
        out = tmp_path / f"out{number}"
        left = [number]

        def stop(self, path, *, durable=True, left=left):
            if left[0] == 0:
                raise Stopped(path)
            left[0] -= 1
            return create(self, path, durable=durable)

        monkeypatch.setattr(AnyFiles, "create", stop)
        try:
            ended = main([*command, str(out)]) == 0
        except (Stopped, RuntimeError):
            ended = False
        monkeypatch.undo()
        if not ended:
            stops += 1
            assert not out.exists()
            assert main([*command, str(out)]) == 0
        assert digests(out) == digests(tmp_path / "expected")
        assert not list(tmp_path.glob(f"{out.name}.staging-*"))
        if ended:
            break
    assert ended
    assert stops > 8


def test_what_a_stopped_build_has_done_is_not_done_again(
    raw, tmp_path, monkeypatch, digests, built
):
    out = tmp_path / "out"
    command = ["build", "--raw", str(raw), "--out", str(out)]

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("datagen.build.shard_writer.ShardWriter.write", stop)
    assert main(command) == 130
    monkeypatch.undo()
    monkeypatch.setattr("datagen.build.stage.RangeWork.run", stop)
    assert main(command) == 0
    assert digests(out) == digests(built)


@pytest.mark.parametrize("kept", [0, 0.5])
@pytest.mark.parametrize("what", ["keys", "blocks", "images", "report.json"])
def test_what_a_crash_of_the_machine_cut_off_is_made_again(
    what, kept, raw, tmp_path, monkeypatch, digests
):
    """Staged files are not forced to the disk: after a power cut they may be shorter, or empty."""
    command = ["build", "--raw", str(raw), "--images", "embed", "--image-max-side", "64"]
    command += ["--sources", "vqav2", "--out"]
    assert main([*command, str(tmp_path / "expected")]) == 0

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("datagen.build.shard_writer.ShardWriter.write", stop)
    assert main([*command, str(tmp_path / "out")]) == 130
    monkeypatch.undo()
    staged = list(tmp_path.glob(f"out.staging-*/ranges/*/*/0*.{what}"))
    assert staged
    for path in staged:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * kept)])
    assert main([*command, str(tmp_path / "out")]) == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "expected")


def test_ctrl_c_says_so_and_the_same_command_goes_on(
    larger_raw, undisturbed, tmp_path, start, digests
):
    out = tmp_path / "out"
    command = ("build", "--raw", larger_raw, "--out", out, "--images", "embed")
    process = start(*command)
    assert wait_for_files(process, out, AFTER_PLANNING)
    process.send_signal(signal.SIGINT)
    outcome = process.end()
    assert outcome.status == 130
    assert outcome.message == (
        "visinstruct: build was interrupted; start the same command again to resume"
    )
    assert not out.exists()
    done = files_in_staging(out)
    assert done >= AFTER_PLANNING
    assert start(*command).end().status == 0
    assert digests(out) == digests(undisturbed)


def members_of_session(process) -> list[int]:
    """Processes of the session that `process` leads, which are its own and its workers."""
    members = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == process.pid and fields[0] != "Z":
                members.append(int(name))
    return members


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_workers_end_when_the_build_that_started_them_is_killed(
    larger_raw, undisturbed, tmp_path, start, digests
):
    out = tmp_path / "out"
    command = ("build", "--raw", larger_raw, "--out", out, "--images", "embed", *PROCESSES)
    process = start(*command)
    assert wait_for_files(process, out, AFTER_PLANNING)
    assert len(members_of_session(process)) > 2
    os.kill(process.pid, signal.SIGKILL)  # alone: its workers must notice
    process.wait()
    for _ in range(LONGEST_GRPC_WAIT_SECONDS * 10):
        if not members_of_session(process):
            break
        time.sleep(0.1)
    assert members_of_session(process) == []
    outcome = start(*command).end()
    assert outcome.status == 0, outcome.err
    assert digests(out) == digests(undisturbed)
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.slow
def test_ctrl_c_ends_worker_processes_too(larger_raw, undisturbed, tmp_path, start, digests):
    out = tmp_path / "out"
    command = ("build", "--raw", larger_raw, "--out", out, "--images", "embed", *PROCESSES)
    process = start(*command)
    assert wait_for_files(process, out, AFTER_PLANNING)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    outcome = process.end()
    assert outcome.status == 130
    assert outcome.err.rstrip().endswith("start the same command again to resume")
    assert start(*command).end().status == 0
    assert digests(out) == digests(undisturbed)
