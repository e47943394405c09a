import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from datagen.errors import OptionError, OutputError, StoreError
from datagen.stores.any_files import AnyFiles
from trainer.data.stream import Stream
from trainer.errors import DataError

Open = Callable[..., Stream]


@pytest.fixture
def store() -> Iterator[Callable[[Path, str], str]]:
    """Copies a folder to an object store in memory; returns its URL."""
    memory = fsspec.filesystem("memory")

    def put(folder: Path, name: str) -> str:
        for path in folder.rglob("*"):
            if path.is_file():
                memory.pipe_file(f"/{name}/{path.relative_to(folder)}", path.read_bytes())
        return f"memory://{name}"

    yield put
    memory.store.clear()


class CountingFiles(AnyFiles):
    """Counts the ranges that are read of shards."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    def open_ranges(self, path: str):  # type: ignore[no-untyped-def]
        self.opened.append(path)
        return super().open_ranges(path)


def test_a_dataset_in_a_store_gives_the_same_samples(
    scenes: Path, embedded: Path, referenced: Path, open_stream: Open, store, roots
) -> None:
    local = open_stream(embedded).samples(range(40))
    remote = open_stream(store(embedded, "embedded"), verify="full").samples(range(40))
    images = {
        **{
            name: store(Path(folder), f"raw/{name}")
            for name, folder in roots(scenes).items()
            if name != "*"
        },
        "*": store(scenes / "images", "raw/images"),
    }
    by_reference = open_stream(store(referenced, "referenced"), image_roots=images).samples(
        range(40)
    )
    for one, other, third in zip(local, remote, by_reference, strict=True):
        assert one.record_id == other.record_id == third.record_id
        assert (one.images == other.images).all() and (one.images == third.images).all()


def test_row_groups_are_fetched_once_a_node_and_the_cache_stays_bounded(
    embedded: Path, options, store, tmp_path: Path
) -> None:
    url = store(embedded, "embedded")
    files = CountingFiles()
    first = Stream.open(options(url, cache_bytes=200_000), 0, files=files)
    expected = [sample.record_id for sample in first.samples(range(60))]
    opened = len(files.opened)
    assert opened >= len(first.mixture)
    cached = sum(path.stat().st_size for path in (tmp_path / "cache/files").iterdir())
    assert cached <= 200_000

    roomy = options(url, cache_dir=tmp_path / "roomy")
    Stream.open(roomy, 0).samples(range(60))
    files = CountingFiles()
    again = Stream.open(roomy, 0, files=files)
    assert [sample.record_id for sample in again.samples(range(60))] == expected
    assert files.opened == []


def test_a_stream_of_a_store_can_be_sent_to_a_worker(
    embedded: Path, open_stream: Open, store
) -> None:
    stream = open_stream(store(embedded, "embedded"))
    sent = pickle.loads(pickle.dumps(stream))
    assert sent.sample(3).instruction == stream.sample(3).instruction


def test_missing_things_in_a_store_are_named(embedded: Path, open_stream: Open, store) -> None:
    with pytest.raises(OutputError, match="memory://nothing is no dataset"):
        open_stream("memory://nothing")
    url = store(embedded, "embedded")
    fsspec.filesystem("memory").rm("/embedded/data/vqav2/train-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"vqav2/train-00000-of-00001\.parquet is missing"):
        open_stream(url)


def test_a_image_that_is_not_in_the_store_is_replaced(
    scenes: Path, referenced: Path, open_stream: Open, store
) -> None:
    images = {"*": store(scenes / "images", "images")}
    stream = open_stream(referenced, sources=("vqav2",), image_roots=images)
    path = stream.record(stream.order.place(0)).images[0].path
    fsspec.filesystem("memory").rm(f"/images/{path}")
    assert f"{path} is not there" in stream.sample(0).replaced[0].reason


def test_an_unknown_kind_of_store_says_what_to_install(open_stream: Open) -> None:
    with pytest.raises(OptionError, match=r"nostore:// cannot be used: .*install fsspec's package"):
        open_stream("nostore://bucket/data")


class BrokenStore(fsspec.AbstractFileSystem):
    """A store whose errors are its own."""

    protocol = "broken"
    cachable = False

    def cat_file(self, path, start=None, end=None, **kwargs):  # type: ignore[no-untyped-def]
        raise RuntimeError("quota  exceeded")

    info = cat_file


def test_a_store_that_fails_ends_the_run_and_is_not_taken_for_a_missing_image(
    scenes: Path, referenced: Path, open_stream: Open
) -> None:
    fsspec.register_implementation("broken", BrokenStore, clobber=True)
    stream = open_stream(referenced, sources=("vqav2",), image_roots={"*": "broken://bucket"})
    with pytest.raises(StoreError, match=r"broken://bucket.* cannot be read: quota exceeded"):
        stream.sample(0)
