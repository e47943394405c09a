"""Publishing: folders that a build may write to, and the move of its result there."""

import errno
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from datagen.build.staging import Staging
from datagen.errors import OutputError
from datagen.files import LocalFiles
from datagen.stores.any_files import AnyFiles
from pipelines.build import publish as publish_module
from pipelines.build.exchange import exchange
from pipelines.build.publish import (
    drop_unfinished,
    held_by,
    locked,
    publish,
    recover,
    staging_of,
)


@pytest.fixture
def staging(tmp_path):
    """A finished output of one file, with intermediate files beside it."""
    staging = staging_of(str(tmp_path / "out"), "work")
    os.makedirs(staging.output)
    os.makedirs(f"{staging.root}/ranges")
    (tmp_path / staging.output / "manifest.json").write_text("{}")
    return staging


def test_the_staging_folder_lies_beside_the_output_and_is_named_by_the_work(tmp_path):
    root = staging_of(f"{tmp_path}/out", ["a", 1]).root
    assert root.startswith(f"{tmp_path}/out.staging-")
    assert len(root) == len(f"{tmp_path}/out.staging-") + 12
    assert staging_of(f"{tmp_path}/out/", ["a", 1]).root == root
    assert staging_of(f"{tmp_path}/x/../out", ["a", 1]).root == root
    assert staging_of(f"{tmp_path}/out", ["a", 2]).root != root
    assert staging_of("gs://b/out/", "a").root.startswith("gs://b/out.staging-")


def test_the_staging_folder_lies_beside_what_a_link_leads_to(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk/instruct")
    assert staging_of(str(tmp_path / "out"), "a").root.startswith(f"{tmp_path}/disk/instruct.")


@pytest.mark.parametrize("place", ["", "/empty", "/not/there"])
def test_nothing_holds_a_new_or_empty_folder(tmp_path, place):
    (tmp_path / "empty").mkdir()
    if place:
        assert held_by(f"{tmp_path}{place}", LocalFiles()) is None
    else:
        with pytest.raises(OutputError, match="is not empty and no dataset of visinstruct"):
            held_by(str(tmp_path), LocalFiles())


def test_the_output_is_renamed_and_the_rest_is_dropped(staging, tmp_path):
    publish(staging, str(tmp_path / "out"), AnyFiles())
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "manifest.json"]


def test_an_empty_folder_is_replaced(staging, tmp_path):
    (tmp_path / "out").mkdir()
    publish(staging, str(tmp_path / "out"), AnyFiles())
    assert (tmp_path / "out/manifest.json").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_came_to_be_there_meanwhile_is_kept(staging, tmp_path, kind):
    out = tmp_path / "out"
    thing = out / "thing" if kind == "folder" else out
    thing.parent.mkdir(exist_ok=True)
    thing.write_text("of someone else")
    with pytest.raises(OutputError, match=r"cannot be replaced .*what is done is kept"):
        publish(staging, str(out), AnyFiles())
    assert thing.read_text() == "of someone else"
    assert os.path.exists(f"{staging.output}/manifest.json")


def test_a_lock_is_held_by_one_at_a_time(staging):
    message = f"another build is writing {staging.root}; wait for it"
    with locked(staging), pytest.raises(OutputError, match=message), locked(staging):
        pass
    with locked(staging):
        pass


def test_a_lock_goes_when_a_build_fails(staging):
    with pytest.raises(KeyError), locked(staging):
        raise KeyError
    with locked(staging):
        pass


def test_a_staging_folder_in_a_store_needs_no_lock_since_the_output_is_held():
    with locked(Staging("gs://bucket/x")), locked(Staging("gs://bucket/x")):
        pass


def test_a_file_system_without_locks_is_used_with_a_warning(staging, monkeypatch):
    def no_locks(*arguments):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with (
        pytest.warns(UserWarning, match=r"has no file locks .*start only one build"),
        locked(staging),
    ):
        pass


def test_staging_folders_that_a_build_holds_are_not_dropped(tmp_path):
    out = str(tmp_path / "out")
    running, stopped = staging_of(out, "running"), staging_of(out, "stopped")
    os.makedirs(f"{stopped.root}/ranges")
    with locked(running):
        drop_unfinished(out, AnyFiles())
        assert os.listdir(tmp_path) == [os.path.basename(running.root)]
    drop_unfinished(out, AnyFiles())
    assert os.listdir(tmp_path) == []


def test_names_with_signs_of_patterns_are_taken_literally(tmp_path):
    out = str(tmp_path / "[o]*")
    other = staging_of(str(tmp_path / "o"), "x")
    mine = staging_of(out, "x")
    for each in (other, mine):
        os.makedirs(each.root)
    drop_unfinished(out, AnyFiles())
    assert os.listdir(tmp_path) == [os.path.basename(other.root)]


# --- an earlier dataset is replaced


def _dataset(folder: str, version: str) -> None:
    os.makedirs(f"{folder}/data")
    for name in ("data/rows.parquet", "manifest.json"):
        Path(folder, name).write_text(json.dumps(version))


def _versions(folder: str) -> set[str]:
    names = ("data/rows.parquet", "manifest.json")
    return {json.loads(Path(folder, name).read_text()) for name in names}


@pytest.fixture
def replacing(tmp_path):
    """A dataset, and a finished output that replaces it."""
    out = str(tmp_path / "out")
    _dataset(out, "old")
    staging = staging_of(out, "work")
    _dataset(staging.output, "new")
    os.makedirs(f"{staging.root}/shards")
    return staging, out


IN_ONE_STEP = exchange
IN_TWO_STEPS = staticmethod(
    lambda first, second: False
)  # as a file system without the exchange answers


@pytest.mark.parametrize("way", [IN_ONE_STEP, IN_TWO_STEPS], ids=["exchanged", "renamed twice"])
def test_an_earlier_dataset_is_replaced_whole(replacing, monkeypatch, tmp_path, way):
    staging, out = replacing
    monkeypatch.setattr(publish_module, "exchange", way)
    publish(staging, out, AnyFiles(), replaces=True)
    assert _versions(out) == {"new"}
    assert os.listdir(tmp_path) == ["out"]


def _killed(work: Callable[[], None]) -> None:
    """Run `work` in a process of its own, which kills itself on the way."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _die_at(step: int, way: Callable[[str, str], bool]) -> tuple[Callable, Callable]:
    """Return an exchange and a rename that kill the process before the step of this number."""
    steps = iter(range(99))
    rename = os.rename

    def die() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def exchanged(first: str, second: str) -> bool:
        if way is IN_ONE_STEP:
            die()
        done = way(first, second)
        if way is IN_ONE_STEP:
            die()
        return done

    def renamed(first: str, second: str) -> None:
        die()
        rename(first, second)
        die()

    return exchanged, renamed


@pytest.mark.parametrize(
    ("way", "step", "before"),
    [
        (IN_ONE_STEP, 0, "old"),
        (IN_ONE_STEP, 1, "new"),
        (IN_TWO_STEPS, 0, "old"),
        (IN_TWO_STEPS, 1, None),
        (IN_TWO_STEPS, 2, None),
        (IN_TWO_STEPS, 3, "new"),
    ],
)
def test_a_build_that_is_killed_while_it_replaces_leaves_one_whole_dataset(
    replacing, tmp_path, way, step, before
):
    staging, out = replacing

    def work() -> None:
        publish_module.exchange, os.rename = _die_at(step, way)
        publish(staging, out, AnyFiles(), replaces=True)

    _killed(work)
    assert (_versions(out) if os.path.exists(out) else {None}) == {before}
    recover(out, AnyFiles())
    assert _versions(out) == {"old" if before == "old" else "new"}
    if before == "old":  # what is done is kept, and published by the build that resumes
        assert _versions(staging.output) == {"new"}
        publish(staging, out, AnyFiles(), replaces=True)
        assert _versions(out) == {"new"}
    assert os.listdir(tmp_path) == ["out"]


def test_a_publication_that_is_under_way_is_left_alone(replacing):
    staging, out = replacing
    Path(staging.root, "publishing").write_text("?")
    with locked(staging):
        recover(out, AnyFiles())
        assert _versions(staging.output) == {"new"}


def test_a_reader_finds_a_whole_dataset_at_every_moment(tmp_path):
    """Each look opens the folder once, as a reader that keeps it open does."""
    first, second = str(tmp_path / "out"), str(tmp_path / "other")
    _dataset(first, "a")
    _dataset(second, "b")
    if not exchange(first, second):
        pytest.skip("the file system has no exchange of folders")
    stop = threading.Event()
    seen: set[tuple[str, str]] = set()
    errors: list[OSError] = []

    def look() -> None:
        while not stop.is_set():
            try:
                folder = os.open(first, os.O_RDONLY)
                found = []
                for name in ("manifest.json", "data/rows.parquet"):
                    with open(os.open(name, os.O_RDONLY, dir_fd=folder)) as file:
                        found.append(file.read())
                os.close(folder)
                seen.add(tuple(found))
            except OSError as error:
                errors.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(500):
        assert exchange(first, second)
    stop.set()
    reader.join()
    assert errors == []
    assert seen <= {('"a"', '"a"'), ('"b"', '"b"')}
    assert seen


def test_a_folder_that_is_missing_cannot_be_exchanged(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "a").is_dir()


def test_an_earlier_dataset_that_is_gone_meanwhile_is_an_error_and_keeps_the_output(replacing):
    staging, out = replacing
    os.rename(out, f"{out}.moved")
    with pytest.raises(OutputError, match=r"cannot be replaced .*what is done is kept"):
        publish(staging, out, AnyFiles(), replaces=True)
    assert _versions(staging.output) == {"new"}
