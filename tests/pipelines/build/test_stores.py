"""Builds whose raw files or output lie in a store: a store in memory, as buckets are."""

import hashlib

import fsspec
import pytest

from datagen.build.staging import Staging
from datagen.errors import OptionError, OutputError, StoreError
from datagen.stores.any_files import AnyFiles
from datagen.stores.store import StoreFiles
from pipelines.build.publish import held_by, publish, recover
from pipelines.build.publish_store import held_output

OUT = "memory://data/out"


@pytest.fixture
def store():
    store = fsspec.filesystem("memory").store
    store.clear()
    yield store
    store.clear()


@pytest.fixture
def uploaded(store, raw):
    """The raw files in the store."""
    memory = fsspec.filesystem("memory")
    for path in raw.rglob("*"):
        if path.is_file():
            memory.pipe_file(f"/data/raw/{path.relative_to(raw)}", path.read_bytes())
    return "memory://data/raw"


def hashes_below(store, folder):
    return {
        name.removeprefix(f"{folder}/"): hashlib.sha256(file.getvalue()).hexdigest()
        for name, file in store.items()
        if name.startswith(f"{folder}/")
        and not name.endswith(("/report.json", "/media_states.parquet"))
    }


@pytest.mark.parametrize("option", ["--raw", "--out", "--image-root"])
def test_every_path_of_a_build_is_checked_first(option, run, raw, tmp_path):
    options = {"--raw": str(raw), "--out": str(tmp_path / "out")}
    options[option] = f"{'coco=' if option == '--image-root' else ''}nowhere://bucket/x"
    outcome = run("build", *(word for pair in options.items() for word in pair))
    assert outcome.status == 2
    assert "nowhere:// cannot be used" in outcome.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("images", ["reference", "embed"])
def test_a_build_in_a_store_has_the_same_bytes(
    images, uploaded, store, run, built, embedded, digests
):
    command = ("build", "--raw", uploaded, "--out", OUT, "--images", images)
    outcome = run(*command)
    assert outcome.status == 0, outcome.err
    expected = digests(built if images == "reference" else embedded)
    assert hashes_below(store, "/data/out") == expected
    assert {name.split("/")[2] for name in store} == {"raw", "out"}  # no staging, no lock
    before = {name: file.getvalue() for name, file in store.items()}
    again = run(*command)
    assert again.status == 0
    assert f"{OUT} is built already, nothing to do" in again.err
    assert {name: file.getvalue() for name, file in store.items()} == before


def test_local_files_can_be_built_from_a_store_and_the_other_way(
    uploaded, store, raw, tmp_path, run, built, digests
):
    assert run("build", "--raw", uploaded, "--out", tmp_path / "out").status == 0
    assert digests(tmp_path / "out") == digests(built)
    assert run("build", "--raw", raw, "--out", f"{OUT}/").status == 0
    assert hashes_below(store, "/data/out") == digests(built)


@pytest.mark.parametrize("left", [0, 7, 15])
def test_a_stopped_publication_shows_no_manifest_and_is_completed(
    left, uploaded, store, run, built, digests, monkeypatch
):
    command = ("build", "--raw", uploaded, "--out", OUT)
    copy, remaining = StoreFiles.copy, [left]

    def stopped(self, path, new):
        if not remaining[0]:
            raise KeyboardInterrupt
        remaining[0] -= 1
        copy(self, path, new)

    monkeypatch.setattr(StoreFiles, "copy", stopped)
    monkeypatch.setattr("datagen.stores.store.THREADS", 1)
    assert run(*command).status == 130
    assert "/data/out/manifest.json" not in store
    monkeypatch.undo()
    outcome = run(*command)
    assert outcome.status == 0, outcome.err
    assert "built already" in outcome.err  # nothing was made again
    assert hashes_below(store, "/data/out") == digests(built)
    assert {name.split("/")[2] for name in store} == {"raw", "out"}


def test_a_dataset_in_a_store_grows_and_what_is_gone_goes(
    uploaded, store, run, raw, tmp_path, digests
):
    assert run("build", "--raw", uploaded, "--out", OUT, "--sources", "vqav2,msvd_qa").status == 0
    outcome = run("build", "--raw", uploaded, "--out", OUT, "--sources", "vqav2,scienceqa")
    assert outcome.status == 0, outcome.err
    local = tmp_path / "local"
    assert run("build", "--raw", raw, "--out", local, "--sources", "vqav2,scienceqa").status == 0
    assert hashes_below(store, "/data/out") == digests(local)


def test_images_that_were_absent_are_looked_for_again_in_a_store(
    uploaded, store, run, built, digests
):
    names = [name for name in store if "/coco/train2014/" in name]
    away = {name: store.pop(name) for name in names[::2]}
    command = ("build", "--raw", uploaded, "--out", OUT)
    assert "records lack their image or clip" in run(*command).message
    store.update(away)
    assert run(*command).status == 0
    assert hashes_below(store, "/data/out") == digests(built)


def test_raw_objects_that_change_during_a_build_are_noticed(uploaded, store, run, monkeypatch):
    memory = fsspec.filesystem("memory")
    name = next(each for each in store if "/vqav2/" in each)
    finish = "pipelines.build.run.execute"
    from pipelines.build import run as module

    original = module.execute

    def changing(*arguments):
        engine = original(*arguments)
        memory.pipe_file(name, store[name].getvalue())
        return engine

    monkeypatch.setattr(finish, changing)
    outcome = run("build", "--raw", uploaded, "--out", OUT, "--sources", "vqav2")
    assert outcome.status == 2
    assert f"memory:/{name} changed during the build; nothing was published" in outcome.message
    assert "/data/out/manifest.json" not in store


def test_a_folder_that_holds_something_else_is_refused(uploaded, store, run):
    fsspec.filesystem("memory").pipe_file("/data/out/data/old.parquet", b"x")
    outcome = run("build", "--raw", uploaded, "--out", OUT)
    assert outcome.status == 2
    assert "is not empty (1 objects, memory://data/out/data/old.parquet)" in outcome.message


def test_a_second_build_of_one_output_is_refused(uploaded, run, monkeypatch):
    monkeypatch.setattr("datagen.stores.lock.BEAT_SECONDS", 0.01)
    monkeypatch.setattr("datagen.stores.lock.POLL_SECONDS", 0.05)
    with held_output(OUT, lambda sentence: None):
        outcome = run("build", "--raw", uploaded, "--out", OUT, "--sources", "vqav2")
    assert outcome.status == 2
    assert f"another build writes to {OUT}" in outcome.message


def test_a_build_that_lost_its_lock_publishes_nothing(uploaded, store, run, monkeypatch):
    def lost(self):
        raise OutputError("the lock was lost")

    monkeypatch.setattr("datagen.stores.lock.Lease.check", lost)
    assert "the lock was lost" in run("build", "--raw", uploaded, "--out", OUT).message
    assert "/data/out/manifest.json" not in store


def test_a_whole_bucket_is_no_output():
    with (
        pytest.raises(
            OptionError, match=r"memory://data is a whole bucket; .*memory://data/instruct"
        ),
        held_output("memory://data/", print),
    ):
        pass


@pytest.fixture
def staged(store):
    """A staging folder whose output is finished."""
    memory = fsspec.filesystem("memory")
    for name in ("manifest.json", "data/a.parquet", "data/b.parquet"):
        memory.pipe_file(f"/data/out.staging-0123456789ab/output/{name}", name.encode())
    return Staging("memory://data/out.staging-0123456789ab")


def test_nothing_is_removed_before_all_sizes_are_those_that_were_made(staged, store, monkeypatch):
    memory = fsspec.filesystem("memory")

    def losing(self, path, new):
        if not new.endswith("b.parquet"):
            memory.cp_file(path, new)

    monkeypatch.setattr(StoreFiles, "copy", losing)
    with pytest.raises(StoreError, match=r"out/data/b\.parquet is missing after it was copied"):
        publish(staged, OUT, AnyFiles())
    assert sum("/output/" in name for name in store) == 3
    assert "/data/out/manifest.json" not in store
    monkeypatch.undo()
    recover(OUT, AnyFiles())
    assert sorted(store) == [
        "/data/out/data/a.parquet",
        "/data/out/data/b.parquet",
        "/data/out/manifest.json",
    ]


def test_a_new_folder_of_a_store_may_be_written(store):
    assert held_by(OUT, AnyFiles()) is None


def test_states_of_images_are_published_also_where_the_manifest_stays(staged, store):
    publish(staged, OUT, AnyFiles())
    memory = fsspec.filesystem("memory")
    for name in ("manifest.json", "data/a.parquet", "data/b.parquet"):
        memory.pipe_file(f"/data/out.staging-0123456789ab/output/{name}", name.encode())
    memory.pipe_file("/data/out.staging-0123456789ab/output/media_states.parquet", b"new")
    publish(staged, OUT, AnyFiles(), replaces=True)
    assert store["/data/out/media_states.parquet"].getvalue() == b"new"
    assert not any("staging" in name for name in store)
