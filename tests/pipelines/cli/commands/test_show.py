"""`visinstruct show`: records of a built dataset."""

import shutil

import pytest


def test_two_records_of_every_split_are_shown(run, built, manifest_of, records_of):
    outcome = run("show", built)
    assert outcome.status == 0
    lines = set(outcome.out.splitlines())
    for source, splits in manifest_of(built).splits.items():
        for split, entry in splits.items():
            records = records_of(built, source, split)
            shown = [record for record in records if record.record_id in lines]
            assert shown == records[: min(2, entry.written)], (source, split)


def test_one_source_one_split_and_a_number_of_rows_can_be_chosen(run, built, records_of):
    outcome = run("show", built, "--source", "vqav2", "--split", "val", "--rows", 3)
    assert outcome.status == 0
    ids = [line for line in outcome.out.splitlines() if line.startswith("vqav2/")]
    assert ids == [record.record_id for record in records_of(built, "vqav2", "val")[:3]]
    assert run("show", built, "--split", "test_dev").out.count("vqav2/test_dev/") == 2


def test_embedded_images_are_reported_by_their_size(run, embedded):
    assert " bytes)" in run("show", embedded, "--source", "coco_caption").out


def test_hidden_answers_and_videos_are_shown(run, built):
    assert "(hidden)" in run("show", built, "--source", "vqav2", "--split", "test").out
    assert "frames at" in run("show", built, "--source", "msvd_qa").out


def test_a_source_that_is_not_there_is_refused_with_the_nearest(refused, built):
    message = refused("show", built, "--source", "vqav2,vqav3")
    assert f"--source 'vqav3' is not in {built}, did you mean 'vqav2'?; it holds " in message


@pytest.mark.parametrize(
    "options", [("--split", "trian"), ("--source", "msvd_qa,vqav2", "--split", "test_devv")]
)
def test_a_split_that_is_not_there_is_refused_with_those_that_are(refused, built, options):
    message = refused("show", built, *options)
    assert f"no split {options[-1]!r} in {built}; it holds " in message
    assert "vqav2/test_dev" in message
    assert ("coco_caption" in message) == ("--source" not in options)


def test_several_sources_can_be_chosen(run, built):
    outcome = run("show", built, "--source", "vqav2,msvd_qa", "--split", "train", "--rows", 1)
    shown = [line for line in outcome.out.splitlines() if line and not line.startswith(" ")]
    assert [line.partition("/")[0] for line in shown] == ["msvd_qa", "vqav2"]


@pytest.mark.parametrize("rows", [0, -1])
def test_a_number_of_rows_is_at_least_one(refused, built, rows):
    assert (
        refused("show", built, "--rows", rows) == f"visinstruct: --rows is {rows}, give 1 or more"
    )


def test_what_is_no_dataset_is_reported(refused, tmp_path):
    for place in (tmp_path, tmp_path / "nothing"):
        message = refused("show", place)
        assert message == f"visinstruct: {place} is no dataset: it has no manifest.json"


@pytest.fixture
def damaged(built, tmp_path):
    """A copy of the dataset and one of its shards, to be damaged."""
    out = shutil.copytree(built, tmp_path / "out")
    return out, next(out.glob("data/vqav2/val-*.parquet"))


def test_a_missing_shard_is_named(damaged, refused):
    out, shard = damaged
    shard.unlink()
    message = refused("show", out, "--source", "vqav2", "--split", "val")
    assert message == f"visinstruct: {shard} is missing; build or download the dataset again"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_a_shard_of_another_size_is_named(damaged, refused, content):
    out, shard = damaged
    shard.write_bytes(content)
    message = refused("show", out, "--source", "vqav2", "--split", "val")
    assert f"{shard} has {len(content)} bytes, the manifest says" in message
    assert "build or download the dataset again" in message


def test_a_corrupt_shard_is_named(damaged, refused):
    out, shard = damaged
    shard.write_bytes(b"x" * shard.stat().st_size)
    message = refused("show", out, "--source", "vqav2", "--split", "val")
    assert f"{shard} cannot be read: " in message
