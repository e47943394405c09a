import json
from pathlib import Path
from typing import Any

import pytest

from datagen.sample.world import World
from datagen.sample.writers.vsr import write_random

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["vsr"]}


def judgement(number: int = 296471, subset: str = "train2017", **changes: Any) -> dict[str, Any]:
    name = f"{number:012d}.jpg"
    row = {
        "image": name,
        "image_link": f"http://images.cocodataset.org/{subset}/{name}",
        "caption": "The cat is inside the refrigerator.",
        "label": 0,
        "relation": "inside",
        "annotator_id": 27,
        "vote_true_validator_id": "[]",
        "vote_false_validator_id": "[1, 2, 20]",
        "reference_frame": None,
    }
    return row | changes


def write(raw: Any, *rows: dict[str, Any], file: str = "zeroshot/test") -> None:
    raw.write(f"vsr/{file}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))


def by_id(building: Any, split: str = "test") -> dict[str, Any]:
    return {r.record_id: r for r in building.records("vsr", split)}


def test_a_statement_has_a_label_and_its_image(raw: Any, build: Any) -> None:
    write(raw, judgement(), judgement(label=1, caption=" The bird\tis away. "))
    records = by_id(build(**KEEP))
    assert set(records) == {"vsr/test/0", "vsr/test/1"}
    record = records["vsr/test/0"]
    assert record.statement == "The cat is inside the refrigerator."
    assert (record.label, record.target, record.references) == (False, "no", ("no",))
    assert record.images[0].path == "coco/train2017/000000296471.jpg"
    assert record.group_id == "coco:296471"
    assert record.tags == {
        "relation": "inside",
        "annotator_id": "27",
        "vote_false_validator_id": "1, 2, 20",
    }
    assert record.instruction == (
        "Based on the image, is this statement true or false? "
        '"The cat is inside the refrigerator." Answer: '
    )
    other = records["vsr/test/1"]
    assert (other.statement, other.label, other.target) == ("The bird is away.", True, "yes")


def test_the_link_says_which_folder_the_image_is_in(raw: Any, build: Any) -> None:
    write(raw, judgement(subset="val2017"))
    record = by_id(build(**KEEP))["vsr/test/0"]
    assert record.images[0].path == "coco/val2017/000000296471.jpg"


@pytest.mark.parametrize(
    ("voters", "tag"),
    [
        ([2, 62, 20], "2, 62, 20"),
        ("[2, 62, 20]", "2, 62, 20"),
        ([7], "7"),
        ("[7]", "7"),
        ([], None),
        ("[]", None),
        (None, None),
    ],
)
def test_votes_are_lists_or_their_text(raw: Any, build: Any, voters: Any, tag: Any) -> None:
    write(raw, judgement(vote_true_validator_id=voters, vote_false_validator_id=[]))
    record = by_id(build(**KEEP))["vsr/test/0"]
    assert record.tags.get("vote_true_validator_id") == tag
    assert "vote_false_validator_id" not in record.tags


def test_what_only_one_release_has_may_be_absent(raw: Any, build: Any) -> None:
    names = ("image", "image_link", "caption", "label")
    bare = {name: judgement()[name] for name in names}
    write(raw, bare, {**bare, "reference_frame": 1.0}, {**bare, "subj": "cat", "obj": "bed"})
    records = by_id(build(**KEEP))
    assert records["vsr/test/0"].tags is None
    assert records["vsr/test/1"].tags == {"reference_frame": "1.0"}
    assert records["vsr/test/2"].tags == {"subj": "cat", "obj": "bed"}


def test_the_zero_shot_split_comes_before_the_random_one(raw: Any, build: Any) -> None:
    write(raw, judgement(caption="Zero-shot."), file="zeroshot/test")
    write(raw, judgement(caption="Random."), file="random/test")
    write(raw, judgement(caption="Random."), file="random/dev")
    building = build(**KEEP)
    assert [r.statement for r in building.records("vsr", "test")] == ["Zero-shot."]
    assert [r.statement for r in building.records("vsr", "val")] == ["Random."]
    layouts = {split: entry.layout for split, entry in building.manifest.splits["vsr"].items()}
    assert layouts == {"val": "random", "test": "zeroshot"}
    (missing,) = building.plan.missing
    assert (missing.split, missing.lacks) == (
        "train",
        ("zeroshot/train.jsonl (layout zeroshot)", "random/train.jsonl (layout random)"),
    )


def test_both_layouts_of_the_sample_hold_the_same_statements(
    referenced: Any, prepare: Any, tmp_path: Path
) -> None:
    write_random(tmp_path / "random", World(seed=0, num_scenes=40))
    building = prepare("out-random", raw=tmp_path / "random", sources=["vsr"]).run()
    assert {e.layout for e in building.manifest.splits["vsr"].values()} == {"random"}
    for split in ("train", "val", "test"):
        assert building.records("vsr", split) == referenced.records("vsr", split)


@pytest.mark.parametrize(
    ("changes", "reason", "message"),
    [
        ({"image": "000000000001.jpg"}, "inconsistent_row", "but image_link ends in"),
        ({"image_link": "http://x/train2014/000000296471.jpg"}, "malformed_row", "no image of"),
        ({"image_link": ""}, "malformed_row", "no image of COCO 2017"),
        ({"label": 2}, "malformed_row", "label is 2, not 0 or 1"),
        ({"label": None}, "malformed_row", "Expected `int`, got `null`"),
        ({"caption": " "}, "empty_text", "caption is empty"),
    ],
)
def test_a_bad_statement_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str, message: str
) -> None:
    write(raw, judgement(), judgement(**changes), judgement())
    building = build(**KEEP)
    (rejection,) = building.rejections("vsr")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert message in rejection.message
    assert set(by_id(building)) == {"vsr/test/0", "vsr/test/2"}
