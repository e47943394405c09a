"""Requests to a store: how many there are, which are repeated, and which end the work."""

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from datagen.errors import OptionError, StoreError
from datagen.stores import store as module
from datagen.stores.connect import disconnect
from datagen.stores.store import StoreFiles, patience


class Toy(MemoryFileSystem):
    """A store in memory that counts requests and fails as it is told."""

    protocol = "toy"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    cachable = False
    requests: list = []  # noqa: RUF012
    failures: list = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("toy://"))

    def _asked(self, what, path):
        self.requests.append((what, path))
        if self.failures:
            raise self.failures.pop(0)

    def cat_file(self, path, start=None, end=None, **kwargs):
        self._asked(f"get {start}-{end}" if start is not None else "get", path)
        return super().cat_file(path, start=start, end=end)

    def info(self, path, **kwargs):
        self._asked("look", path)
        return super().info(path)

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        self._asked("put", path)
        return super().pipe_file(path, value, mode=mode)

    def put_file(self, lpath, rpath, **kwargs):
        self._asked("put in parts", rpath)
        return super().put_file(lpath, rpath)


@pytest.fixture
def toy(monkeypatch):
    fsspec.register_implementation("toy", Toy, clobber=True)
    disconnect()
    monkeypatch.setattr(module, "_WHOLE_PUTS", module._WHOLE_PUTS | {"toy"})
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    Toy.store.clear()
    Toy.requests.clear()
    Toy.failures.clear()
    yield Toy
    disconnect()


@pytest.fixture
def files():
    return StoreFiles()


def write(files, path, data):
    with files.create(path) as file:
        file.write(data)


def test_a_small_object_is_one_request(toy, files):
    write(files, "toy://b/x", b"abc")
    toy.requests.clear()
    assert files.open_whole("toy://b/x").read() == b"abc"
    with files.open_binary("toy://b/x") as file:
        assert file.read() == b"abc"
    with files.open_binary("toy://b/x") as file:
        assert file.read(2) == b"ab" and file.read(2) == b"c" and file.read(2) == b""
    assert [what.split()[0] for what, _ in toy.requests] == ["get"] * 3


def test_a_large_object_that_is_read_in_order_takes_ever_longer_ranges(toy, files):
    write(files, "toy://b/x", bytes(10 << 20))
    toy.requests.clear()
    with files.open_binary("toy://b/x") as file:
        for _ in range(160):
            assert len(file.read(64 << 10)) == 64 << 10
        assert file.read(1) == b""
    assert len(toy.requests) < 10


def test_ranges_of_an_object_are_fetched_alone(toy, files):
    write(files, "toy://b/x", bytes(range(256)) * 4096)
    toy.requests.clear()
    with files.open_ranges("toy://b/x") as file:
        file.seek(1000)
        assert file.read(24) == (bytes(range(256)) * 5)[1000:1024]
    assert [what for what, _ in toy.requests] == ["get 1000-1024"]


def test_a_large_object_is_put_in_parts_and_its_size_compared(toy, files, monkeypatch):
    monkeypatch.setattr(module, "ONE_PUT_BYTES", 10)
    write(files, "toy://b/x", bytes(11))
    assert [what for what, _ in toy.requests] == ["put in parts", "look"]
    monkeypatch.setattr(Toy, "put_file", lambda self, _, path: self.pipe_file(path, b"cut"))
    with pytest.raises(StoreError, match=r"toy://b/y has 3 bytes after 11 were written"):
        write(files, "toy://b/y", bytes(11))


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionResetError("reset"),
        TimeoutError("late"),
        OSError(121, "SlowDown"),
        OSError("HTTP 503"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_requests_that_may_pass_are_repeated(toy, files, failure):
    write(files, "toy://b/x", b"abc")
    toy.failures += [failure] * 5
    assert files.read("toy://b/x") == b"abc"
    toy.failures += [failure] * 5
    write(files, "toy://b/x", b"new")
    assert toy.store["/b/x"].getvalue() == b"new"


def test_requests_are_not_repeated_for_ever(toy, files):
    toy.failures += [TimeoutError("late")] * 1000
    with (
        patience(0),
        pytest.raises(StoreError, match="toy://b/x cannot be read: the store does not answer"),
    ):
        files.read("toy://b/x")
    assert len(toy.requests) == 1


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (PermissionError("Access Denied"), "access is denied"),
        (RuntimeError("quota exceeded"), "quota exceeded"),
    ],
)
def test_requests_that_cannot_pass_end_the_work_at_once(toy, files, failure, sentence):
    for request in (files.read, files.exists, files.state):
        toy.requests.clear()
        toy.failures.append(failure)
        with pytest.raises(StoreError, match=rf"toy://b/x cannot be read: {sentence}"):
            request("toy://b/x")
        assert len(toy.requests) == 1


def test_an_object_is_made_once(toy, files):
    assert files.create_new("toy://b/lock", b"1")
    assert not files.create_new("toy://b/lock", b"2")
    assert files.read("toy://b/lock") == b"1"


def test_a_store_without_whole_puts_gets_a_temporary_name_and_a_rename(toy, files, monkeypatch):
    monkeypatch.setattr(module, "_WHOLE_PUTS", frozenset())
    write(files, "toy://b/deep/x", b"abc")
    [(_, put)] = [each for each in toy.requests if each[0] == "put"]
    assert put.endswith(".tmp")
    assert list(files.below("toy://b")) == ["toy://b/deep/x"]


@pytest.mark.parametrize("url", ["hf://datasets/x/y/data.parquet", "https://example.org/x"])
def test_what_is_only_read_from_is_not_written(files, url):
    with pytest.raises(StoreError, match="is only read from"), files.create(url):
        pass


def test_a_missing_package_is_named_with_the_command(files):
    with pytest.raises(
        OptionError, match=r"gs:// needs the package gcsfs.*pip install 'visinstruct\[gcs\]'"
    ):
        files.exists("gs://bucket/x")
    with pytest.raises(OptionError, match=r"nostore:// cannot be used: .*install fsspec's package"):
        files.exists("nostore://bucket/x")


def test_a_store_is_tried_and_left_as_it_was(toy, files):
    write(files, "toy://b/raw/x", b"")
    files.check_reachable("toy://b/out", writes=True)
    assert list(toy.store) == ["/b/raw/x"]
    toy.failures.append(PermissionError("Forbidden"))
    with pytest.raises(StoreError, match="access is denied"):
        files.check_reachable("toy://b/out", writes=False)


def test_objects_below_a_folder_are_listed_with_sizes(toy, files):
    for name in ("a/b/c", "a/d", "ab/e"):
        write(files, f"toy://z/{name}", name.encode())
    assert {path: info.size for path, info in files.below("toy://z/a").items()} == {
        "toy://z/a/b/c": 5,
        "toy://z/a/d": 3,
    }
    assert files.folders("toy://z") == ["a", "ab"]
    assert files.below("toy://z/none") == {} and files.folders("toy://z/none") == []
    files.copy_all([("toy://z/a/d", "toy://z/f"), ("toy://z/a/d", "toy://z/g")])
    assert toy.store["/z/f"].getvalue() == toy.store["/z/g"].getvalue() == b"a/d"
