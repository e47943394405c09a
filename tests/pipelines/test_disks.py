"""Disks that are full, or cannot be written: a message, and the same command resumes afterwards."""

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from datagen.stores.any_files import AnyFiles

CLIPS = ("--sources", "msvd_qa", "--images", "embed")


class LittleSpace:
    """A file that takes `left` bytes, and no more."""

    def __init__(self, file, left, error):
        self.file, self.left, self.error = file, left, error

    def write(self, data):
        size = memoryview(data).nbytes
        self.left[0] -= size
        if self.left[0] < 0:
            raise OSError(self.error, os.strerror(self.error))
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.fixture
def little_space(monkeypatch):
    """Lets builds write so many bytes in all, then fails with a system error."""

    def little_space(num_bytes, error=errno.ENOSPC):
        left = [num_bytes]
        create = AnyFiles.create

        @contextmanager
        def create_in_little_space(self, path, *, durable=True):
            with create(self, path, durable=durable) as file:
                yield LittleSpace(file, left, error)

        monkeypatch.setattr(AnyFiles, "create", create_in_little_space)

    return little_space


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.8, 0.99])
def test_a_full_disk_is_told_and_the_same_command_goes_on(
    share, raw, tmp_path, build, little_space, monkeypatch, digests
):
    assert build(raw, tmp_path / "expected", *CLIPS).status == 0
    out = tmp_path / "out"
    little_space(int(share * size_of(tmp_path / "expected")))
    message = build(raw, out, *CLIPS).message
    assert "no space left while writing " in message
    assert "nothing was published and what is done is kept" in message
    assert "free some space and start the same command again" in message
    assert len(message.splitlines()) == 1
    assert not out.exists()
    assert not list(tmp_path.rglob("*.tmp"))
    monkeypatch.undo()
    assert build(raw, out, *CLIPS).status == 0
    assert digests(out) == digests(tmp_path / "expected")
    assert sorted(os.listdir(tmp_path)) == ["expected", "out"]


def test_other_errors_of_a_disk_are_told_in_the_systems_words(raw, tmp_path, build, little_space):
    little_space(20_000, errno.EIO)
    message = build(raw, tmp_path / "out", *CLIPS).message
    assert message == "visinstruct: Input/output error"
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system in memory of a given size; only root may."""
    mounted = []

    def small_disk(options):
        disk = tmp_path / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root may mount a small disk")
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("no disk can be mounted here")
        mounted.append(disk)
        return disk

    yield small_disk
    for disk in mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def remount(disk, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def test_a_disk_that_is_really_full_is_told_and_the_same_command_goes_on(
    raw, tmp_path, build, small_disk, digests, embedded
):
    disk = small_disk("size=300k")
    out = disk / "out"
    command = (raw, out, "--images", "embed")
    message = build(*command).message
    assert "o space left" in message
    assert not out.exists()
    remount(disk, "size=50m")
    assert build(*command).status == 0
    assert digests(out) == digests(embedded)
    assert os.listdir(disk) == ["out"]


def test_a_disk_without_room_for_a_single_file_is_told(raw, build, small_disk):
    disk = small_disk("size=4k")
    (disk / "filler").write_bytes(b"x" * 4_096)
    message = build(raw, disk / "out", *CLIPS).message
    assert "o space left" in message
    assert str(disk / "out") in message


def test_a_disk_that_cannot_be_written_is_told(raw, tmp_path, build, small_disk):
    disk = small_disk("size=1m")
    remount(disk, "ro")
    message = build(raw, disk / "out", *CLIPS).message
    assert message.startswith(f"visinstruct: Read-only file system: {disk}/out.staging-")
    remount(disk, "rw")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(raw, tmp_path, build):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    message = build(raw, locked / "out", *CLIPS).message
    assert message.startswith(f"visinstruct: Permission denied: {locked}/out.staging-")


def test_a_mounted_disk_as_output_is_refused_with_a_folder_that_would_do(raw, build, small_disk):
    disk = small_disk("size=10m")
    message = build(raw, disk, *CLIPS).message
    assert f"{disk} is a mount point" in message
    assert build(raw, disk / "instruct", *CLIPS).status == 0
    assert os.listdir(disk) == ["instruct"]
