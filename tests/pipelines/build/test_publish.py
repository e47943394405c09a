"""Where a build may write, and how its result appears there."""

import os

import pytest

from datagen.build.staging import Staging
from datagen.errors import OutputError
from datagen.files import LocalFiles
from pipelines.build.beam_files import BeamFiles
from pipelines.build.publish import drop_unfinished, held_by, locked, publish, staging_of


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
    publish(staging, str(tmp_path / "out"), BeamFiles())
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "manifest.json"]


def test_an_empty_folder_is_replaced(staging, tmp_path):
    (tmp_path / "out").mkdir()
    publish(staging, str(tmp_path / "out"), BeamFiles())
    assert (tmp_path / "out/manifest.json").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_came_to_be_there_meanwhile_is_kept(staging, tmp_path, kind):
    out = tmp_path / "out"
    thing = out / "thing" if kind == "folder" else out
    thing.parent.mkdir(exist_ok=True)
    thing.write_text("of someone else")
    with pytest.raises(OutputError, match=r"cannot be replaced .*what is done is kept"):
        publish(staging, str(out), BeamFiles())
    assert thing.read_text() == "of someone else"
    assert os.path.exists(f"{staging.output}/manifest.json")


def test_a_lock_is_held_by_one_at_a_time(staging):
    told = f"another build is writing {staging.root}; wait for it"
    with locked(staging), pytest.raises(OutputError, match=told), locked(staging):
        pass
    with locked(staging):
        pass


def test_a_lock_goes_when_a_build_fails(staging):
    with pytest.raises(KeyError), locked(staging):
        raise KeyError
    with locked(staging):
        pass


def test_object_stores_have_no_locks():
    with locked(Staging("gs://bucket/x")), locked(Staging("gs://bucket/x")):
        pass


def test_staging_folders_that_a_build_holds_are_not_dropped(tmp_path):
    out = str(tmp_path / "out")
    running, stopped = staging_of(out, "running"), staging_of(out, "stopped")
    os.makedirs(f"{stopped.root}/ranges")
    with locked(running):
        drop_unfinished(out)
        assert os.listdir(tmp_path) == [os.path.basename(running.root)]
    drop_unfinished(out)
    assert os.listdir(tmp_path) == []


def test_names_with_signs_of_patterns_are_taken_literally(tmp_path):
    out = str(tmp_path / "[o]*")
    other = staging_of(str(tmp_path / "o"), "x")
    mine = staging_of(out, "x")
    for each in (other, mine):
        os.makedirs(each.root)
    drop_unfinished(out)
    assert os.listdir(tmp_path) == [os.path.basename(other.root)]
