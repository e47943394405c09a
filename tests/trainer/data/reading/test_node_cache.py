import errno
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import BinaryIO

import pytest

from trainer.data.reading.node_cache import NodeCache, default_folder
from trainer.errors import DataError


def _write(data: bytes):
    def write(file: BinaryIO) -> None:
        file.write(data)

    return write


def _refuse(file: BinaryIO) -> None:
    raise AssertionError("it is there already")


def _read(cache: NodeCache, name: str, write=_refuse) -> bytes:
    with cache.open(name, write) as file:
        return file.read()


def test_a_file_is_made_once(tmp_path: Path) -> None:
    assert _read(NodeCache(tmp_path, 100), "a", _write(b"one")) == b"one"
    assert _read(NodeCache(tmp_path, 100), "a") == b"one"


def test_the_least_recently_used_files_go_past_the_bound(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 10)
    for number, name in enumerate("abc"):
        _read(cache, name, _write(b"123"))
        os.utime(tmp_path / "files" / name, (number, number))
    _read(cache, "a")  # now the one used last
    _read(cache, "d", _write(b"1234"))
    assert cache.num_bytes() == 7
    assert _read(cache, "a") == b"123" and _read(cache, "d") == b"1234"


def test_many_files_never_take_more_than_the_bound(tmp_path: Path) -> None:
    for number in range(100):
        cache = NodeCache(tmp_path, 1_000)  # one process after the other
        _read(cache, f"file{number}", _write(b"x" * (number % 7 * 20)))
        assert cache.num_bytes() <= 1_000
    assert cache.num_bytes() > 600


def test_a_lost_count_is_made_again(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 10)
    _read(cache, "a", _write(b"12345"))
    (tmp_path / "total").write_bytes(b"")
    _read(cache, "b", _write(b"12345678"))
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["b"]


def test_a_file_larger_than_the_bound_stays_alone_until_the_next(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 5)
    _read(cache, "small", _write(b"1"))
    assert _read(cache, "large", _write(b"123456789")) == b"123456789"
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["large"]


def test_a_removed_file_can_still_be_read_by_who_has_it_open(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 5)
    with cache.open("a", _write(b"12345")) as file:
        _read(cache, "b", _write(b"12345"))
        assert not (tmp_path / "files" / "a").exists()
        assert file.read() == b"12345"


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 100)

    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise DataError("the shard is gone")

    with pytest.raises(DataError, match="the shard is gone"):
        cache.open("a", write)
    assert _read(cache, "a", _write(b"whole")) == b"whole"


def test_a_full_disk_is_reported_with_the_remedy(tmp_path: Path) -> None:
    def write(file: BinaryIO) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        DataError, match=r"No space left on device; free some space, lower data\.cache"
    ):
        NodeCache(tmp_path, 100).open("a", write)
    assert list((tmp_path / "files").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be made: .*; set data.cache_dir"):
        NodeCache(tmp_path / "file" / "cache", 100)


HOLDER = """
    import sys, time
    from pathlib import Path
    from trainer.data.reading.node_cache import NodeCache

    def write(file):
        file.write(b"half")
        file.flush()
        print("holding", flush=True)
        time.sleep(600)

    NodeCache(Path(sys.argv[1]), 100).open("a", write)
"""


def test_a_killed_owner_leaves_the_lock_free_and_its_half_file_unseen(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holding\n"
        assert not (tmp_path / "files" / "a").exists()
        os.kill(holder.pid, signal.SIGKILL)
    assert _read(NodeCache(tmp_path, 100), "a", _write(b"whole")) == b"whole"
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["a"]


def test_processes_that_want_the_same_file_wait_for_the_one_that_makes_it(tmp_path: Path) -> None:
    code = """
        import sys, os
        from pathlib import Path
        from trainer.data.reading.node_cache import NodeCache

        def write(file):
            with open(sys.argv[1] + "/made", "a") as made:
                made.write("x")
            for _ in range(2000):
                file.write(b"1234")
                os.sched_yield()

        for number in range(20):
            with NodeCache(Path(sys.argv[1]), 10**6).open(f"file{number}", write) as file:
                assert len(file.read()) == 8000
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (tmp_path / "made").read_text() == "x" * 20


def test_the_default_folder_is_refused_if_somebody_else_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = default_folder()
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    (tmp_path / "visinstruct-4321").mkdir()
    with pytest.raises(DataError, match=r"is not yours; set data\.cache_dir"):
        default_folder()


def test_an_abandoned_half_file_goes_in_time_and_one_being_written_stays(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, 10)
    for name, mtime in (("left.tmp", 0), ("writing.tmp", None)):
        path = tmp_path / "files" / name
        path.write_bytes(b"12345")
        if mtime is not None:
            os.utime(path, (mtime, mtime))
    _read(cache, "a", _write(b"1234567"))
    assert {path.name for path in (tmp_path / "files").iterdir()} == {"a", "writing.tmp"}


def test_a_file_whose_making_needs_files_of_another_kind_waits_for_no_lock_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards that are verified are hashed while their layout is made; both may have the same lock's number."""
    monkeypatch.setattr("trainer.data.reading.node_cache.NUM_LOCKS", 1)
    cache = NodeCache(tmp_path, 1_000)

    def layout(file: BinaryIO) -> None:
        with ThreadPoolExecutor(2) as threads:
            names = ["one.hash", "two.hash", "three.hash"]
            opened = threads.map(lambda name: cache.open(name, lambda f: f.write(b"x")), names)
            file.write(b"".join([each.read() for each in opened]))

    found: list[bytes] = []
    thread = Thread(target=lambda: found.append(cache.open("a.layout", layout).read()), daemon=True)
    thread.start()
    thread.join(20)
    assert found == [b"xxx"]
