import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from datagen.errors import OutputError
from datagen.files import (
    HashingWriter,
    LocalFiles,
    hash_file,
    is_url,
    locked_file,
    write_atomically,
)

FILES = LocalFiles()


def test_a_file_appears_whole_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "file"
    with FILES.create(str(path)) as file:
        file.write(b"one ")
        assert not FILES.exists(str(path))
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_whose_block_fails_leaves_nothing_behind(
    tmp_path: Path, error: type[BaseException], durable: bool
) -> None:
    with pytest.raises(error), FILES.create(str(tmp_path / "file"), durable=durable) as file:
        file.write(b"half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_failed_file_leaves_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ValueError), FILES.create(str(path)) as file:
        file.write(b"new")
        raise ValueError
    assert path.read_bytes() == b"old"
    with FILES.create(str(path), durable=False) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path, number: int) -> None:
    message = "no space left while writing .*/file; nothing was published and what is done is kept"
    with pytest.raises(OutputError, match=message), FILES.create(str(tmp_path / "file")):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_are_handed_on(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), FILES.create(str(tmp_path / "file")):
        raise PermissionError(errno.EACCES, "no")


def test_many_writers_of_one_file_leave_one_whole_file(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with FILES.create(str(tmp_path / "file"), durable=False) as file:
            for _ in range(50):
                file.write(b"%d" % number * 100)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = (tmp_path / "file").read_bytes()
    assert data in {b"%d" % number * 5_000 for number in range(8)}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("durable", [True, False])
def test_durable_files_survive_a_crash_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    with FILES.create(str(tmp_path / "file"), durable=durable) as file:
        file.write(b"0123456789")
    assert synced == ([10] if durable else [])


def test_files_are_opened_for_seeking(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with FILES.open_binary(str(tmp_path / "file")) as file:
        file.seek(4)
        assert file.read(3) == b"456"
    with pytest.raises(FileNotFoundError):
        FILES.open_binary(str(tmp_path / "other"))


def test_a_file_is_hashed_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    assert hash_file(FILES, str(tmp_path / "file")) == (2_560_000, digest)


def test_what_is_written_is_hashed_on_the_way(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with FILES.create(path) as file:
        written = HashingWriter(file)
        for data in (b"", b"abc" * 100_000, b"d"):
            assert written.write(data) == len(data)
        assert (written.tell(), written.closed) == (300_001, False)
    assert (written.num_bytes, written.sha256) == hash_file(FILES, path)
    assert written.closed


def test_an_atomic_write_shows_the_old_file_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file"
    with write_atomically(path) as file:
        file.write(b"one")
    with write_atomically(path) as file:
        file.write(b"two")
        file.flush()
        assert path.read_bytes() == b"one"
    assert path.read_bytes() == b"two"
    with pytest.raises(KeyboardInterrupt), write_atomically(path) as file:
        file.write(b"three")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"two"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_locked_file_is_held_by_one_and_free_when_its_holder_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked_file(path) as file:
        file.write(b"held")
        with pytest.raises(BlockingIOError), locked_file(path, wait=False):
            pass
    with locked_file(path, wait=False) as file:
        file.seek(0)
        assert file.read() == b"held"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://bucket/a.jpg", True),
        ("HF://datasets/x", True),
        ("/raw/train/16/http://host/a.jpg", False),
        ("./a://b", False),
        ("a.jpg", False),
    ],
)
def test_a_path_of_a_store_begins_with_a_scheme(path: str, expected: bool) -> None:
    assert is_url(path) is expected
