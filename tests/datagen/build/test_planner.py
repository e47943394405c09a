import json
import pickle
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from datagen.build import planner
from datagen.build.plan import BuildPlan, RangePlan, SplitPlan
from datagen.errors import RawDataError
from datagen.files import LocalFiles
from datagen.raw.lookup import KeyIndex
from datagen.schema.rejects import Rejection, decode_rejections

TRAIN = "v2_OpenEnded_mscoco_train2014_questions.json"
ANNOTATIONS = "v2_mscoco_train2014_annotations.json"


def problems(**splits: int) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """ScienceQA's two files, with so many problems a split, splits taking turns."""
    pids: dict[str, list[str]] = {name: [] for name in ("train", "val", "test")}
    rows: dict[str, Any] = {}
    left = dict(splits)
    while any(left.values()):
        for split in [name for name, count in left.items() if count]:
            left[split] -= 1
            pid = str(len(rows) + 1)
            rows[pid] = {"question": "Which?", "choices": ["a", "b"], "answer": 0, "split": split}
            pids.setdefault(split, []).append(pid)
    return rows, pids


def plan_rejections(building: Any, source: str, split: str) -> list[Rejection]:
    with open(building.staging.plan_rejections(source, split), "rb") as file:
        return decode_rejections(file.read())


def rows_planned(plan: SplitPlan) -> list[int]:
    """The file's row numbers that windows of the plan cover."""
    return [
        number
        for each in plan.ranges
        for number in range(each.first_row, each.first_row + each.window.rows)
    ]


def shape(plan: BuildPlan) -> list[Any]:
    """Return the part of a plan that the output depends on."""
    return [(s.source, s.split, s.rows, s.num_shards, dict(s.rejected)) for s in plan.splits]


def test_ranges_cover_every_row_once_and_count_from_the_files_first(
    raw: Any, prepare: Any, ask: Any
) -> None:
    raw.vqa([ask(n) for n in range(20_000)], indent=1)
    plan = prepare(sources=["vqav2"]).split("vqav2/train")
    assert len(plan.ranges) > 2
    assert [each.number for each in plan.ranges] == list(range(len(plan.ranges)))
    assert rows_planned(plan) == list(range(20_000))
    assert plan.rows == 20_000


def test_an_annotation_without_its_question_is_rejected(
    raw: Any, prepare: Any, ask: Any, annotate: Any
) -> None:
    questions = [ask(n) for n in range(5)]
    raw.vqa(questions[:4], [annotate(row) for row in questions])
    building = prepare(sources=["vqav2"])
    assert building.split("vqav2/train").rejected == {"no_question": 1}
    (orphan,) = plan_rejections(building, "vqav2", "train")
    assert (orphan.file, orphan.reason, orphan.row) == (ANNOTATIONS, "no_question", None)
    assert orphan.message == f"no row of {TRAIN} has this 'question_id'"
    content = json.loads(orphan.content)
    assert content["question_id"] == 4
    data = (raw.root / "vqav2" / ANNOTATIONS).read_bytes()
    assert data[orphan.byte :].startswith(orphan.content.encode())


def test_repeated_and_keyless_annotations_are_rejected(
    raw: Any, prepare: Any, ask: Any, annotate: Any
) -> None:
    questions = [ask(n) for n in range(3)]
    rows = [annotate(questions[n]) for n in (0, 1, 1, 2)]
    rows += [{"image_id": 1}, {"question_id": None}]
    raw.vqa(questions, rows)
    building = prepare(sources=["vqav2"])
    rejections = plan_rejections(building, "vqav2", "train")
    assert building.split("vqav2/train").rejected == {"duplicate_id": 1, "malformed_row": 2}
    messages = [each.message for each in rejections]
    assert messages.count("no 'question_id', an integer or text") == 2
    assert messages.count("a second row with this 'question_id'; the first one is used") == 1


def test_with_a_limit_what_no_row_is_joined_to_is_not_rejected(
    raw: Any, prepare: Any, ask: Any, annotate: Any
) -> None:
    questions = [ask(n) for n in range(5)]
    raw.vqa(questions, [*map(annotate, questions), annotate(ask(77)), {"no": "key"}])
    building = prepare(sources=["vqav2"], limit=2)
    assert building.split("vqav2/train").rejected == {}
    assert building.split("vqav2/train").rows == 2


def test_a_limit_takes_the_first_rows_of_each_split(raw: Any, prepare: Any) -> None:
    rows, pids = problems(train=10, val=4, test=7)
    raw.json("scienceqa/problems.json", rows)
    raw.json("scienceqa/pid_splits.json", pids)
    plans = prepare(limit=5).plan.splits
    assert {plan.split: plan.rows for plan in plans} == {"train": 5, "val": 4, "test": 5}


@pytest.mark.parametrize("limit", [1, 700, 10**6])
def test_a_limit_counts_across_ranges(raw: Any, prepare: Any, ask: Any, limit: int) -> None:
    raw.vqa([ask(n, text="long " * 100) for n in range(2_000)])
    plan = prepare(sources=["vqav2"], limit=limit).split("vqav2/train")
    assert sum(each.rows for each in plan.ranges) == min(limit, 2_000)
    assert all(isinstance(each, RangePlan) and each.rows for each in plan.ranges)


def test_of_a_file_of_several_splits_every_split_gets_its_rows(raw: Any, prepare: Any) -> None:
    rows, pids = problems(train=4_000, val=900, test=1_300)
    raw.json("scienceqa/problems.json", rows)
    raw.json("scienceqa/pid_splits.json", pids)
    plans = prepare().plan.splits
    assert {plan.split: plan.rows for plan in plans} == {"train": 4_000, "val": 900, "test": 1_300}
    for plan in plans:
        assert sum(each.rows for each in plan.ranges) == len(pids[plan.split])


def test_a_split_that_has_no_rows_in_its_file_is_missing(raw: Any, prepare: Any) -> None:
    rows, pids = problems(train=3, test=2)
    raw.json("scienceqa/problems.json", rows)
    raw.json("scienceqa/pid_splits.json", pids)
    building = prepare(sources=["scienceqa"])
    assert [plan.split for plan in building.plan.splits] == ["train", "test"]
    (missing,) = building.plan.missing
    assert (missing.split, missing.lacks) == ("val", ("rows in problems.json",))


def with_rows_of_no_split(raw: Any, **splits: int) -> None:
    rows, pids = problems(**splits)
    rows["odd"] = {"question": "?", "choices": ["a"], "answer": 0, "split": "minival"}
    rows["bad"] = {"split": "train"}
    raw.json("scienceqa/problems.json", rows)
    raw.json("scienceqa/pid_splits.json", pids)


def test_rows_of_no_known_split_are_rejected_once(raw: Any, prepare: Any) -> None:
    with_rows_of_no_split(raw, train=3, val=2, test=2)
    building = prepare(sources=["scienceqa"])
    counts = {plan.split: dict(plan.rejected) for plan in building.plan.splits}
    assert counts == {"train": {"malformed_row": 1, "unknown_split": 1}, "val": {}, "test": {}}
    unknown, malformed = plan_rejections(building, "scienceqa", "train")
    assert (unknown.reason, unknown.row, unknown.split) == ("unknown_split", 7, "train")
    assert (malformed.reason, malformed.row) == ("malformed_row", 8)
    assert json.loads(malformed.content) == {"split": "train"}


def test_rows_of_no_known_split_are_not_lost_with_a_split_that_has_no_rows(
    raw: Any, prepare: Any
) -> None:
    with_rows_of_no_split(raw, val=2, test=2)
    building = prepare(sources=["scienceqa"])
    counts = {plan.split: dict(plan.rejected) for plan in building.plan.splits}
    assert counts == {"val": {"malformed_row": 1, "unknown_split": 1}, "test": {}}
    assert {each.split for each in plan_rejections(building, "scienceqa", "val")} == {"val"}


def test_a_file_none_of_whose_rows_has_a_known_split_is_refused(raw: Any, prepare: Any) -> None:
    rows = {str(n): {"caption": "another dataset"} for n in range(12)}
    raw.json("scienceqa/problems.json", rows)
    raw.json("scienceqa/pid_splits.json", problems()[1])
    message = (
        r"problems\.json: none of its 12 rows names a split of scienceqa; is it another dataset's"
    )
    with pytest.raises(RawDataError, match=message):
        prepare()


def test_a_file_without_rows_is_refused(raw: Any, prepare: Any) -> None:
    raw.vqa([], [])
    with pytest.raises(RawDataError, match=rf"{TRAIN} holds no rows; download it again"):
        prepare()


def test_the_plan_does_not_depend_on_windows_or_memory(
    raw: Any, prepare: Any, ask: Any, annotate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [ask(n) for n in range(3_000)]
    raw.vqa(questions, [annotate(row) for row in questions[100:]] + [{"no": "key"}])
    rows, pids = problems(train=500, val=90, test=130)
    raw.json("scienceqa/problems.json", {**rows, "odd": {"split": "?"}})
    raw.json("scienceqa/pid_splits.json", pids)
    monkeypatch.setattr(planner, "SHARD_INPUT_BYTES", 100_000)
    shapes, num_ranges = [], set()
    for window_bytes in (500, 20_000, 1 << 22):
        monkeypatch.setattr(
            "datagen.build.options.BuildOptions.range_bytes", lambda *_, w=window_bytes: w
        )
        building = prepare(f"out{window_bytes}")
        shapes.append(shape(building.plan))
        num_ranges.add(sum(len(plan.ranges) for plan in building.plan.splits))
    assert shapes[0] == shapes[1] == shapes[2]
    assert len(num_ranges) == 3
    by_name = {(row[0], row[1]): row for row in shapes[0]}
    assert by_name["vqav2", "train"][3] > 3
    assert by_name["scienceqa", "train"][4] == {"malformed_row": 1}
    monkeypatch.undo()
    monkeypatch.setattr(planner, "SHARD_INPUT_BYTES", 100_000)
    assert shape(prepare("less", max_memory="512MB").plan) == shapes[0]


def test_shards_grow_with_the_rows_and_with_what_is_joined(
    raw: Any, prepare: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "SHARD_INPUT_BYTES", 50_000)
    raw.vqa([ask(n) for n in range(1_000)])
    sizes = sum((raw.root / "vqav2" / name).stat().st_size for name in (TRAIN, ANNOTATIONS))
    whole = prepare("a", sources=["vqav2"]).split("vqav2/train")
    assert whole.num_shards == pytest.approx(sizes / 50_000, abs=1)
    half = prepare("b", sources=["vqav2"], limit=500).split("vqav2/train")
    assert half.num_shards == pytest.approx(whole.num_shards / 2, abs=1)
    assert prepare("c", sources=["vqav2"], limit=1).split("vqav2/train").num_shards == 1


def test_embedded_images_make_more_shards(
    raw: Any, prepare: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "EMBED_SHARD_ROWS", 100)
    raw.vqa([ask(n) for n in range(1_000)])
    assert prepare("a", images="embed").split("vqav2/train").num_shards == 10
    assert prepare("b").split("vqav2/train").num_shards == 1


def test_all_files_that_cannot_be_used_are_reported_at_once(raw: Any, prepare: Any) -> None:
    raw.write(f"vqav2/{TRAIN}", '{"questions": [{"question_id": 1}')
    raw.write(f"vqav2/{ANNOTATIONS}", "")
    raw.json("scienceqa/problems.json", {"1": {}})
    raw.json("scienceqa/pid_splits.json", {"minival": []})
    raw.json("msvd_qa/test_qa.json", "text")
    (raw.root / "msvd_qa" / "youtube_mapping.txt").mkdir()
    with pytest.raises(RawDataError) as caught:
        prepare()
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert Counter(re.findall(r"(\w+\.(?:json|txt)) (?:is|has|cannot)", str(caught.value))) == {
        TRAIN: 1,
        ANNOTATIONS: 1,
        "pid_splits.json": 1,
        "test_qa.json": 1,
        "youtube_mapping.txt": 1,
    }
    assert "has no member 'test' but minival" in str(caught.value)
    assert "youtube_mapping.txt cannot be read: Is a directory" in str(caught.value)


def test_another_datasets_file_is_refused(raw: Any, prepare: Any) -> None:
    raw.vqa([])
    raw.json(f"vqav2/{TRAIN}", {"images": [], "annotations": []})
    with pytest.raises(RawDataError, match=r"has no member 'questions' but images, annotations"):
        prepare(sources=["vqav2"])


def test_sources_that_read_the_same_file_share_its_index(raw: Any, prepare: Any, ask: Any) -> None:
    raw.vqa([ask(1), ask(2)])
    building = prepare()
    one, other = building.split("vqav2/train"), building.split("vqav2_qg/train")
    assert one.path == other.path
    assert one.lookups == other.lookups
    with open(one.lookups["annotations"].index_path, "rb") as file:
        assert KeyIndex(np.load(file)).entries["key"].tolist() == [1, 2]


def test_a_lookup_whose_optional_file_is_not_there_finds_nothing(
    raw: Any, prepare: Any, sample_raw: Any
) -> None:
    name = "visdial/visdial_1.0_val.json"
    raw.write(name, (sample_raw / name).read_bytes())
    assert prepare().split("visdial/val").lookups["dense"].path is None
    name = "visdial/visdial_1.0_val_dense_annotations.json"
    raw.write(name, (sample_raw / name).read_bytes())
    assert prepare("again").split("visdial/val").lookups["dense"].path == str(raw.root / name)


def test_the_manifest_names_every_file_that_was_read(raw: Any, prepare: Any, ask: Any) -> None:
    raw.vqa([ask(1)])
    raw.json("vqav2/unused.json", [])
    raw.json("msvd_qa/test_qa.json", [])
    building = prepare(sources=["vqav2"])
    assert building.inputs.keys() == {"vqav2"}
    assert building.inputs["vqav2"].keys() == {TRAIN, ANNOTATIONS}
    path = raw.root / "vqav2" / TRAIN
    assert building.inputs["vqav2"][TRAIN].num_bytes == path.stat().st_size


def test_the_vocabularys_file_counts_as_read(raw: Any, prepare: Any) -> None:
    row = {"id": 1, "video_id": 1, "question": "who?", "answer": "man"}
    for split in ("train", "test"):
        raw.json(f"msvd_qa/{split}_qa.json", [row])
    raw.write("msvd_qa/youtube_mapping.txt", "clip vid1\n")
    inputs = prepare(splits=["test"]).inputs["msvd_qa"]
    assert inputs.keys() == {"test_qa.json", "youtube_mapping.txt", "train_qa.json"}


def test_planning_reads_nothing_but_the_publishers_files(raw: Any, prepare: Any, ask: Any) -> None:
    raw.vqa([ask(1)])
    building = prepare()
    assert isinstance(building.files, LocalFiles)
    assert not building.out.exists()


def test_a_plan_can_be_sent_to_workers(prepare: Any, sample_raw: Any) -> None:
    building = prepare(raw=sample_raw)
    assert len(building.plan.splits) > 10
    assert pickle.loads(pickle.dumps(building.plan)) == building.plan
    assert pickle.loads(pickle.dumps(building.options)) == building.options
