import json
import random
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datagen.build import planner
from datagen.build.stage import PARTS_PER_ROW, shard_starts
from datagen.errors import RawDataError
from datagen.render import chance
from datagen.schema.answers import Answer

ODD = {
    "no text": {"question": " \n"},
    "no annotation": {"question_id": 5_000},
    "no image": {"image_id": 77},
    "wrong type": {"question_id": "five"},
}


def some_rows(ask: Any, count: int) -> list[dict[str, Any]]:
    return [ask(n, image_id=1 + n % 4) for n in range(count)]


def vqa_with_odd_rows(raw: Any, ask: Any, annotate: Any) -> None:
    """90 questions on four images, among them bad ones of several kinds and repeated ones."""
    raw.coco(1, 2, 3, 4)
    rows = some_rows(ask, 90)
    annotations = [annotate(row, [f"answer {row['question_id'] % 7}"] * 10) for row in rows]
    annotations[30]["image_id"] = 77
    for place, change in zip((10, 20, 30, 40), ODD.values(), strict=True):
        rows[place] = {**rows[place], **change}
    rows += [ask(3, image_id=4, text="Asked again?"), ask(3, image_id=4, text="And again?")]
    annotations += [annotate(ask(9_000)), {"answers": []}]
    random.Random(0).shuffle(annotations)
    raw.vqa(rows, annotations)


def set_window(monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
    monkeypatch.setattr("datagen.build.options.BuildOptions.range_bytes", lambda *_: num_bytes)


LENIENT = {"max_reject_fraction": 1.0, "max_missing_fraction": 1.0}


@pytest.mark.parametrize("images", ["reference", "embed"])
def test_the_dataset_is_a_function_of_the_files_and_options_alone(
    raw: Any, prepare: Any, ask: Any, annotate: Any, monkeypatch: pytest.MonkeyPatch, images: str
) -> None:
    """Not of windows, of the order of the work, of repetition, or of where the files lie."""
    vqa_with_odd_rows(raw, ask, annotate)
    monkeypatch.setattr(planner, "SHARD_INPUT_BYTES", 8_000)
    elsewhere = raw.root.parent / "moved" / "raw"
    shutil.copytree(raw.root, elsewhere)
    trees = []
    for number, (window, reverse, folder) in enumerate(
        [(16, False, raw.root), (700, True, raw.root), (5_000, True, elsewhere), (1 << 22, False, elsewhere)]
    ):  # fmt: skip
        set_window(monkeypatch, window)
        building = prepare(f"out{number}", raw=folder, images=images, seed=7, **LENIENT)
        building.stage(reverse=reverse)
        building.stage()
        building.write(reverse=reverse)
        building.write()
        building.finish()
        trees.append(building.tree())
    assert len(building.manifest.split("vqav2", "train").shards) > 2
    assert building.manifest.split("vqav2", "train").rejected == {
        "duplicate_id": 2,
        "empty_text": 1,
        "malformed_row": 2,
        "media_missing": 1,
        "no_annotation": 1,
        "no_question": 3,
    }
    for tree in trees[1:]:
        assert tree.keys() == trees[0].keys()
        assert [name for name in tree if tree[name] != trees[0][name]] == []


def test_another_seed_gives_another_order_and_other_templates(
    raw: Any, build: Any, ask: Any
) -> None:
    raw.coco(1, 2, 3, 4)
    raw.vqa(some_rows(ask, 60))
    one, other = (build(f"out{seed}", seed=seed).records("vqav2", "train") for seed in (0, 1))
    ids = [record.record_id for record in one]
    assert sorted(ids) == sorted(record.record_id for record in other)
    assert ids != [record.record_id for record in other]
    templates = {record.record_id: record.template_id for record in other}
    assert sum(record.template_id != templates[record.record_id] for record in one) > 40


def test_everything_read_is_written_rejected_or_filtered(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    vqa_with_odd_rows(raw, ask, annotate)
    building = build(**LENIENT)
    for work in building.work():
        entry = building.manifest.split(work.plan.source, work.plan.split)
        assert entry.read == entry.written + sum(entry.rejected.values())
        assert entry.written == len(building.records(work.plan.source, work.plan.split))
        rejections = [
            r for r in building.rejections(work.plan.source) if r.split == work.plan.split
        ]
        assert len(rejections) == sum(entry.rejected.values())
    entry = building.manifest.split("vqav2", "train")
    assert (entry.rows, entry.read, entry.written, entry.groups) == (92, 96, 86, 4)


def test_a_rejection_points_at_its_row(raw: Any, build: Any, ask: Any, annotate: Any) -> None:
    vqa_with_odd_rows(raw, ask, annotate)
    building = build(sources=["vqav2"], **LENIENT)
    questions = "v2_OpenEnded_mscoco_train2014_questions.json"
    rows = json.loads((raw.root / "vqav2" / questions).read_text())["questions"]
    mine = [each for each in building.rejections("vqav2") if each.file == questions]
    assert {each.row: each.reason.value for each in mine} == {
        10: "empty_text",
        20: "no_annotation",
        30: "media_missing",
        40: "malformed_row",
        90: "duplicate_id",
        91: "duplicate_id",
    }
    for each in mine:
        assert json.loads(each.content) == rows[each.row]
        data = (raw.root / "vqav2" / each.file).read_bytes()
        assert data[each.byte :].startswith(each.content.encode())


def test_no_message_says_where_the_files_lie_on_this_machine(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    vqa_with_odd_rows(raw, ask, annotate)
    building = build(**LENIENT)
    for name, data in building.tree().items():
        assert str(raw.root.parent).encode() not in data, name


def test_a_range_that_is_done_is_not_staged_again(
    raw: Any, prepare: Any, ask: Any, annotate: Any
) -> None:
    vqa_with_odd_rows(raw, ask, annotate)
    building = prepare()
    building.stage()
    before = {key: list(reports) for key, reports in building.ranges.items()}
    shutil.rmtree(raw.root)
    building.stage()
    assert building.ranges == before


def test_a_range_that_was_stopped_half_way_is_staged_again_to_the_same_bytes(
    raw: Any, prepare: Any, ask: Any, annotate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_window(monkeypatch, 1_000)
    vqa_with_odd_rows(raw, ask, annotate)
    building = prepare(images="embed", **LENIENT)
    building.stage()
    ranges = Path(building.staging.root) / "ranges"
    before = {path: path.read_bytes() for path in ranges.rglob("*") if path.is_file()}
    for path in sorted(path for path in before if not path.name.startswith("plan."))[::3]:
        path.unlink()
    for report in [*ranges.rglob("*.report.json")]:
        report.unlink()
    building.stage()
    assert before == {path: path.read_bytes() for path in ranges.rglob("*") if path.is_file()}


def test_the_report_comes_last(
    raw: Any, prepare: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.coco(1)
    raw.vqa([ask(1)])
    building = prepare(images="embed")
    plan = building.split("vqav2/train")
    created: list[str] = []
    create = building.files.create
    monkeypatch.setattr(
        building.files,
        "create",
        lambda path, **options: created.append(path.rsplit(".", 1)[1]) or create(path, **options),
    )
    building.stager(plan).stage(plan.ranges[0])
    assert created == ["images", "blocks", "keys", "jsonl", "json", "json"]
    assert Path(building.staging.range("vqav2", "train", 0, "report.json")).exists()


def test_rows_lie_in_the_order_of_their_keys_and_shards_part_the_keys(
    raw: Any, build: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "SHARD_INPUT_BYTES", 20_000)
    set_window(monkeypatch, 2_000)
    raw.coco(1, 2, 3, 4)
    raw.vqa(some_rows(ask, 300))
    building = build(sources=["vqav2"], seed=11)
    entry = building.manifest.split("vqav2", "train")
    keys = [chance(11, 0, r.record_id).order for r in building.records("vqav2", "train")]
    assert keys == sorted(keys)
    assert len(entry.shards) == building.split("vqav2/train").num_shards > 4
    shards = [(key * len(entry.shards)) >> 64 for key in keys]
    assert [shards.count(number) for number in range(len(entry.shards))] == [
        shard.rows for shard in entry.shards
    ]
    numbers = [int(r.record_id.rsplit("/")[-1]) for r in building.records("vqav2", "train")]
    rising = sum(b > a for a, b in pairwise(numbers))
    assert 120 < rising < 180


def test_shards_part_the_64_bit_keys_evenly() -> None:
    assert shard_starts(1).tolist() == [0]
    assert shard_starts(2).tolist() == [0, 1 << 63]
    starts = shard_starts(7).tolist()
    assert [(start * 7) >> 64 for start in starts] == [0, 0, 1, 2, 3, 4, 5]
    assert [((start + 1) * 7) >> 64 for start in starts] == list(range(7))


def test_the_parts_of_one_row_keep_their_order() -> None:
    assert PARTS_PER_ROW * 2**40 < 2**63


def test_a_table_that_cannot_be_used_stops_the_build(raw: Any, prepare: Any) -> None:
    raw.json("msvd_qa/test_qa.json", [{"id": 1, "video_id": 1, "question": "?", "answer": "x"}])
    raw.write("msvd_qa/youtube_mapping.txt", "clip vid1\none two three\n")
    building = prepare()
    message = r"youtube_mapping\.txt cannot be used as clips: line 2 is 'one two three', not a clip"
    with pytest.raises(RawDataError, match=message):
        building.stage()
    raw.write("msvd_qa/youtube_mapping.txt", b"clip\xe9 vid1\n")
    with pytest.raises(RawDataError, match="cannot be used as clips: 'utf-8' codec can't decode"):
        prepare("again").stage()


def test_a_table_of_another_kind_stops_the_build(raw: Any, prepare: Any, sample_raw: Any) -> None:
    text = json.loads((sample_raw / "visdial/visdial_1.0_val.json").read_text())
    text["data"]["answers"][3] = 17
    raw.json("visdial/visdial_1.0_val.json", text)
    building = prepare()
    with pytest.raises(RawDataError, match=r"cannot be used as answers: Expected `str`, got `int`"):
        building.stage()


def test_a_file_that_changes_while_it_is_staged_stops_the_build(
    raw: Any, prepare: Any, ask: Any
) -> None:
    raw.coco(1, 2, 3, 4)
    raw.vqa(some_rows(ask, 20))
    building = prepare(sources=["vqav2"])
    raw.vqa(some_rows(ask, 10))
    with pytest.raises(RawDataError, match="changed during the build: 10 rows instead of 20"):
        building.stage()


def test_a_row_without_outcomes_in_the_middle_costs_no_other_row(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    raw.coco(1)
    rows = [ask(1), ask(2), ask(3)]
    raw.vqa(rows, [annotate(rows[0]), annotate(rows[1], ["", " "]), annotate(rows[2], ["a", ""])])
    building = build(sources=["vqav2"], max_reject_fraction=0.5)
    (rejection,) = building.rejections("vqav2")
    assert (rejection.row, rejection.reason) == (1, "no_answers")
    assert rejection.message == "none of 2 answers has text"
    answers = {r.record_id: r.answers for r in building.records("vqav2", "train")}
    assert answers["vqav2/train/3"] == (Answer("a", 1), Answer("", 1))


def test_an_annotation_that_cannot_be_decoded_rejects_its_question(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    raw.coco(1)
    rows = [ask(1), ask(2)]
    raw.vqa(rows, [annotate(rows[0]), {"question_id": 2, "image_id": 1, "answers": "cat"}])
    building = build(sources=["vqav2"], max_reject_fraction=0.5)
    (rejection,) = building.rejections("vqav2")
    assert (rejection.row, rejection.reason) == (1, "malformed_row")
    assert rejection.message.startswith("its row of annotations: Expected `array`, got `str`")


def test_every_split_that_is_trained_on_has_training_templates(
    raw: Any, build: Any, ask: Any
) -> None:
    raw.coco(1)
    raw.coco(1, folder="val2014")
    raw.vqa([ask(n) for n in range(10)])
    raw.vqa([ask(n) for n in range(30)], subset="val2014")
    mixture = {"splits": {"vqav2": ["train", "val"]}}
    building = build(sources=["vqav2"], mixture=mixture)
    used = {record.template_id for record in building.records("vqav2", "val")}
    assert len(used) > 5
    assert not any(each.startswith("protocol/") for each in used)
    assert {record.split for record in building.records("vqav2", "val")} == {"val"}


def test_training_splits_are_drawn_and_evaluation_splits_asked_as_their_protocol_says(
    raw: Any, build: Any, ask: Any
) -> None:
    raw.coco(1)
    raw.coco(1, folder="val2014")
    raw.vqa([ask(n) for n in range(30)])
    raw.vqa([ask(n) for n in range(30)], subset="val2014")
    building = build()
    templates = {record.template_id for record in building.records("vqav2", "train")}
    assert len(templates) > 5
    assert all(name.startswith("vqa.") for name in templates)
    (protocol,) = {record.template_id for record in building.records("vqav2", "val")}
    assert protocol == "protocol/vqav2"
    prompts = {record.record_id: record.instruction for record in building.records("vqav2", "val")}
    assert prompts["vqav2/val/7"] == "Question: What is number 7? Short answer: "
    generated = {record.template_id for record in building.records("vqav2_qg", "val")}
    assert all(name.startswith("question_generation.") for name in generated)


def test_a_report_counts_what_became_of_its_rows(
    raw: Any, prepare: Any, ask: Any, annotate: Any
) -> None:
    vqa_with_odd_rows(raw, ask, annotate)
    building = prepare(sources=["vqav2"])
    building.stage()
    (report,) = building.ranges["vqav2/train"]
    assert (report.read, report.staged) == (92, 88)
    assert report.rejected == {
        "empty_text": 1,
        "no_annotation": 1,
        "media_missing": 1,
        "malformed_row": 1,
    }
    assert sum(place.rows for place in report.places) == 88
    path = building.staging.range("vqav2", "train", 0, "report.json")
    assert msgspec.json.decode(Path(path).read_bytes(), type=type(report)) == report
