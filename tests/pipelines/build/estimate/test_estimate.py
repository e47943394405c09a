"""The estimate of the sample beside its real build."""

import json
import os
from pathlib import Path

import pytest

from datagen.build.options import BuildOptions, make_options
from pipelines.build.estimate import slice as slices
from pipelines.build.estimate.combine import BuildEstimate
from pipelines.build.estimate.estimate import estimate_build
from pipelines.build.estimate.simulate import Cluster


def options(raw: Path, **values: object) -> BuildOptions:
    return make_options(raw=str(raw), out="nowhere", **values)


@pytest.fixture(scope="module")
def whole(raw: Path) -> BuildEstimate:
    return estimate_build(options(raw), cluster=Cluster(10, store_latency_seconds=0.02))


def sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_small_build_is_known_to_the_row_and_file(whole, built, manifest_of):
    manifest = manifest_of(built)
    entries = {f"{s}/{n}": e for s, splits in manifest.splits.items() for n, e in splits.items()}
    assert {each.name for each in whole.splits} == set(entries)
    for each in whole.splits:
        entry = entries[each.name]
        assert (each.rows, each.records.value, each.shards) == (
            entry.rows,
            entry.written,
            len(entry.shards),
        )
        assert each.is_exact
        num_bytes = sum(shard.num_bytes for shard in entry.shards)
        assert each.output_bytes.value == pytest.approx(num_bytes, rel=0.02)
    assert whole.files == sum(path.is_file() for path in built.rglob("*"))
    assert whole.output_bytes.value == pytest.approx(sizes(built), rel=0.1)
    assert whole.failure is None


def test_a_build_with_its_images_is_known_to_the_byte_nearly(raw, embedded):
    found = estimate_build(options(raw, images="embed"))
    assert found.files == sum(path.is_file() for path in embedded.rglob("*"))
    assert found.output_bytes.value == pytest.approx(sizes(embedded), rel=0.05)
    image_bytes = sum(path.stat().st_size for path in (raw / "images").rglob("*.*"))
    stage, write = (p.traffic for p in found.phases if p.in_workers)
    assert min(stage.reads, write.reads) > 100  # an image a request
    assert stage.read_bytes > image_bytes / 2


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 questions of VQAv2 without images, in ranges of 50 to 60 rows."""
    folder = tmp_path_factory.mktemp("many") / "raw"
    questions = [
        {"image_id": n % 700, "question": f"What is {'very ' * (n % 5)}near {n}?", "question_id": n}
        for n in range(1, 3_001)
    ]
    annotations = [
        {
            "question_type": "what is",
            "answers": [
                {"answer": f"cat {row['question_id'] % 9}", "answer_id": n} for n in range(10)
            ],
            "image_id": row["image_id"],
            "answer_type": "other",
            "question_id": row["question_id"],
        }
        for row in questions
    ]
    names = ("v2_OpenEnded_mscoco_{}_questions.json", "v2_mscoco_{}_annotations.json")
    (folder / "vqav2").mkdir(parents=True)
    for name, part in zip(
        names, ({"questions": questions}, {"annotations": annotations}), strict=True
    ):
        (folder / "vqav2" / name.format("train2014")).write_text(json.dumps(part))
    return folder


def test_a_slice_gives_the_counts_and_bytes_of_the_whole(
    many_rows, build, tmp_path, manifest_of, monkeypatch
):
    monkeypatch.setattr("datagen.build.options.BuildOptions.range_bytes", lambda *_: 4_096)
    monkeypatch.setattr("datagen.build.planner.SHARD_INPUT_BYTES", 500_000)
    chosen = {"sources": ("vqav2",), "missing_images": "keep"}
    found = estimate_build(options(many_rows, **chosen), slice_rows=600)
    out = tmp_path / "out"
    made = build(many_rows, out, "--sources", "vqav2", "--missing-images", "keep")
    assert made.status == 0, made.err
    entry = manifest_of(out).split("vqav2", "train")
    (split,) = found.splits
    assert not split.is_exact
    assert found.sampled_rows < 1_000 < found.rows == split.rows == entry.rows
    assert split.shards == len(entry.shards) > 2
    assert split.records.low <= entry.written <= split.records.high
    num_bytes = sum(shard.num_bytes for shard in entry.shards)
    assert split.output_bytes.value == pytest.approx(num_bytes, rel=0.15)
    assert found.output_bytes.value == pytest.approx(sizes(out), rel=0.15)


def test_seconds_memory_and_disk_are_sums_of_what_was_measured(whole):
    assert [phase.name for phase in whole.phases] == [
        *("start", "index", "plan", "stage", "write", "engine", "finish", "publish")
    ]
    assert whole.cpu_seconds.value == pytest.approx(sum(p.cpu.value for p in whole.phases))
    assert whole.seconds.value >= whole.cpu_seconds.value > 0
    assert whole.cpu_seconds.low < whole.cpu_seconds.value < whole.cpu_seconds.high
    assert whole.memory_bytes.value > 50e6
    assert whole.disk_bytes.value == whole.output_bytes.value + whole.staging_bytes.value
    assert whole.staging_bytes.value > 0


def test_reading_and_requests_are_counted(whole, raw):
    index = next(phase for phase in whole.phases if phase.name == "index")
    annotations = sum(
        path.stat().st_size
        for path in raw.rglob("*")
        if path.is_file() and "images" not in path.parts and path.suffix == ".json"
    )
    assert 0 < index.traffic.read_bytes <= 1.1 * annotations
    assert whole.traffic.requests > sum(each.rows for each in whole.splits)  # an image a row


def test_nothing_is_left_behind(raw, tmp_path):
    before = sorted(os.listdir(tmp_path))
    estimate_build(options(raw, sources=("vqav2",)), scratch=str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == before


def test_workers_are_simulated_and_what_holds_them_up_is_named(whole):
    cluster = whole.cluster
    assert [phase.name for phase in cluster.phases] == [phase.name for phase in whole.phases]
    assert cluster.bottleneck in cluster.phases
    assert cluster.bottleneck.seconds == max(phase.seconds for phase in cluster.phases)
    assert cluster.seconds == pytest.approx(sum(phase.seconds for phase in cluster.phases))
    assert cluster.useful_workers >= 1


def test_a_build_that_would_be_refused_is_foretold(raw_copy):
    for path in (raw_copy / "images").rglob("*.jpg"):
        path.unlink()
    found = estimate_build(options(raw_copy, sources=("vqav2",)))
    assert "vqav2: " in found.failure
    assert "lack their image" in found.failure


def test_runs_of_one_range_can_be_sorted():
    """A shard of a slice takes several runs of one range, which a build's shard never has."""
    place = slices.Place(0, 0, 10, 0, 5)
    runs = slices._in_shard(3, [slices.StagedPlace(0, place), slices.StagedPlace(0, place)])
    assert sorted(runs) == runs
    assert {run.place.shard for run in runs} == {3}
