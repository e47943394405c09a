"""Files through Beam's file systems: local ones, and a toy object store in memory."""

import hashlib
import io
import time
import zlib
from pathlib import Path

import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

from datagen.errors import OptionError
from pipelines.build.beam_files import BeamFiles, check_reachable


class ToyStore(FileSystem):
    """`toy://`: a flat table of names and bytes, as object stores are; no folders, no links."""

    objects: dict[str, bytes] = {}  # noqa: RUF012
    copied: list[str] = []  # noqa: RUF012

    @classmethod
    def scheme(cls):
        return "toy"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def mkdirs(self, path):
        raise AssertionError("an object store has no folders")

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        for name, data in sorted(self.objects.items()):
            if name.startswith(dir_or_prefix):
                yield FileMetadata(name, len(data), time.time())

    def create(self, path, mime_type=None, compression_type=None):
        return _Upload(path)

    def open(self, path, mime_type=None, compression_type=None):
        if path not in self.objects:
            raise BeamIOError("no such object", {path: KeyError(path)})
        return io.BytesIO(self.objects[path])

    def copy(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            self.objects[destination] = self.objects[source]
            self.copied.append(destination)

    def rename(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            self.objects[destination] = self.objects.pop(source)

    def exists(self, path):
        return path in self.objects

    def size(self, path):
        return len(self.objects[path])

    def last_updated(self, path):
        return zlib.crc32(self.objects[path])  # as good as a time: another one, another object

    def checksum(self, path):
        return hashlib.md5(self.objects[path]).hexdigest()

    def metadata(self, path):
        if path not in self.objects:
            raise BeamIOError("no such object", {path: KeyError(path)})
        return FileMetadata(path, self.size(path), self.last_updated(path))

    def delete(self, paths):
        for path in paths:
            del self.objects[path]

    def report_lineage(self, path, lineage):
        pass


class _Upload(io.BytesIO):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def close(self):
        if not self.closed:
            ToyStore.objects[self.path] = self.getvalue()
        super().close()


@pytest.fixture
def store():
    ToyStore.objects.clear()
    ToyStore.copied.clear()
    return ToyStore


@pytest.fixture
def uploaded(store, raw):
    """The raw files in the store."""
    for path in raw.rglob("*"):
        if path.is_file():
            store.objects[f"toy://data/raw/{path.relative_to(raw)}"] = path.read_bytes()
    return "toy://data/raw"


def hashes_below(store, folder):
    return {
        name.removeprefix(f"{folder}/"): hashlib.sha256(data).hexdigest()
        for name, data in store.objects.items()
        if name.startswith(f"{folder}/")
        and not name.endswith(("/report.json", "/media_states.parquet"))
    }


@pytest.fixture(params=["local", "toy"])
def folder(request, tmp_path, store):
    return str(tmp_path) if request.param == "local" else "toy://bucket"


def test_what_is_created_can_be_read(folder):
    files = BeamFiles()
    path = f"{folder}/deep/er/file"
    assert not files.exists(path)
    with files.create(path) as file:
        file.write(b"one two")
    assert files.exists(path)
    with files.open_binary(path) as file:
        file.seek(4)
        assert file.read() == b"two"


def test_a_file_appears_whole(folder):
    files = BeamFiles()
    path = f"{folder}/file"
    for content in (b"first", b"second"):
        with files.create(path) as file:
            file.write(content)
            if content == b"second":
                with files.open_binary(path) as there:
                    assert there.read() == b"first"
    with files.open_binary(path) as there:
        assert there.read() == b"second"


def test_a_file_whose_writing_fails_does_not_appear(folder):
    files = BeamFiles()
    with pytest.raises(KeyError), files.create(f"{folder}/file") as file:
        file.write(b"half")
        raise KeyError
    assert not files.exists(f"{folder}/file")


def test_a_missing_file_is_not_found(folder):
    with pytest.raises(FileNotFoundError):
        BeamFiles().open_binary(f"{folder}/nothing")


def test_only_files_that_are_there_are_removed(folder):
    files = BeamFiles()
    with files.create(f"{folder}/file") as file:
        file.write(b"x")
    files.remove([f"{folder}/file", f"{folder}/nothing"])
    assert not files.exists(f"{folder}/file")
    files.remove([])


def test_the_files_of_a_store_are_listed_and_copied(store):
    store.objects |= {"toy://a/b/c": b"1", "toy://a/d": b"2", "toy://ab/e": b"3"}
    files = BeamFiles()
    assert files.below("toy://a") == ["toy://a/b/c", "toy://a/d"]
    for name in ("c", "d", "c"):
        files.copy("toy://a/b/c", f"toy://z/{name}")
    assert store.objects["toy://z/c"] == store.objects["toy://z/d"] == b"1"
    assert files.below("toy://z") == ["toy://z/c", "toy://z/d"]


def test_a_store_without_file_system_is_refused_with_what_to_install():
    check_reachable(["/data", "relative", "toy://bucket/x"])
    with pytest.raises(OptionError, match=r"install apache-beam\[gcp\].*nowhere://bucket/x"):
        check_reachable(["/data", "nowhere://bucket/x"])


@pytest.mark.parametrize("option", ["--raw", "--out", "--image-root"])
def test_every_path_of_a_build_is_checked_first(option, run, raw, tmp_path):
    options = {"--raw": str(raw), "--out": str(tmp_path / "out")}
    options[option] = f"{'coco=' if option == '--image-root' else ''}nowhere://bucket/x"
    outcome = run("build", *(word for pair in options.items() for word in pair))
    assert outcome.status == 2
    assert "Path specified: nowhere://bucket/x" in outcome.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("images", ["reference", "embed"])
def test_a_build_on_an_object_store_has_the_same_bytes(
    images, uploaded, store, run, built, embedded, digests
):
    command = ("build", "--raw", uploaded, "--out", "toy://data/out", "--images", images)
    outcome = run(*command)
    assert outcome.status == 0, outcome.err
    expected = digests(built if images == "reference" else embedded)
    assert hashes_below(store, "toy://data/out") == expected
    assert {name.split("/")[3] for name in store.objects} == {"raw", "out"}  # no staging
    assert store.copied[-1] == "toy://data/out/manifest.json"
    before = dict(store.objects)
    again = run(*command)
    assert again.status == 0
    assert "toy://data/out is built already, nothing to do" in again.err
    assert store.objects == before


def test_local_files_can_be_built_from_a_store_and_the_other_way(
    uploaded, store, raw, tmp_path, run, built, digests
):
    assert run("build", "--raw", uploaded, "--out", tmp_path / "out").status == 0
    assert digests(tmp_path / "out") == digests(built)
    assert run("build", "--raw", raw, "--out", "toy://data/out/").status == 0
    assert hashes_below(store, "toy://data/out") == digests(built)


def test_a_store_shows_no_manifest_before_all_else_is_there(
    uploaded, store, run, built, digests, monkeypatch
):
    command = ("build", "--raw", uploaded, "--out", "toy://data/out")
    copy = BeamFiles.copy
    left = [7]

    def stopped(self, path, new):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        copy(self, path, new)

    monkeypatch.setattr(BeamFiles, "copy", stopped)
    assert run(*command).status == 130
    assert len(hashes_below(store, "toy://data/out")) > 3
    assert "toy://data/out/manifest.json" not in store.objects
    monkeypatch.undo()
    outcome = run(*command)
    assert outcome.status == 0, outcome.err
    assert hashes_below(store, "toy://data/out") == digests(built)


def test_images_that_were_absent_are_looked_for_again_in_a_store(
    uploaded, store, run, built, digests
):
    names = [name for name in store.objects if "/coco/train2014/" in name]
    away = {name: store.objects.pop(name) for name in names[::2]}
    command = ("build", "--raw", uploaded, "--out", "toy://data/out")
    assert "records lack their image or clip" in run(*command).message
    store.objects.update(away)
    assert run(*command).status == 0
    assert hashes_below(store, "toy://data/out") == digests(built)


def test_paths_of_this_module_are_not_on_disk():
    assert not Path("toy:").exists()
