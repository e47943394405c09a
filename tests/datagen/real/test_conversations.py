"""Real rows of LLaVA-Instruct and MSRVTT-QA, compared with the files as plain readers read them."""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.sources import load_source

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "real"
LLAVA = {
    "llava_conversation": "conversation_58k.json",
    "llava_detail": "detail_23k.json",
    "llava_reasoning": "complex_reasoning_77k.json",
}

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the publishers' real rows are not at hand"
)


@pytest.fixture(scope="module")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real files under their official names; LLaVA's rows, of mixed parts, stand for each part."""
    raw = tmp_path_factory.mktemp("raw")
    for folder in ("llava_instruct", "msrvtt_qa"):
        (raw / folder).mkdir()
    for name in LLAVA.values():
        shutil.copy(REAL / "llava_instruct/llava_instruct_100.json", raw / "llava_instruct" / name)
    shutil.copy(REAL / "msrvtt_qa/val_hqga.csv", raw / "msrvtt_qa/val.csv")
    return raw


@pytest.fixture(scope="module")
def real(
    raw_folder: Path, tmp_path_factory: pytest.TempPathFactory, build_in: Callable[..., Any]
) -> Any:
    """The four sources, built without images and videos."""
    out = tmp_path_factory.mktemp("real")
    return build_in(raw_folder, out, sources=(*LLAVA, "msrvtt_qa"), missing_images="keep")


@pytest.fixture(scope="module")
def dialogs(raw_folder: Path) -> list[dict[str, Any]]:
    path = raw_folder / "llava_instruct/conversation_58k.json"
    return list(json.loads(path.read_text(encoding="utf-8")))


def by_id(real: Any, source: str, split: str) -> dict[str, Any]:
    records = real.records(source, split)
    found = {record.record_id.split("/", 2)[2]: record for record in records}
    assert len(found) == len(records)
    return found


def test_no_row_is_rejected_or_left_out(real: Any, dialogs: list[dict[str, Any]]) -> None:
    num_turns = sum(len(row["conversations"]) // 2 for row in dialogs)
    for source in LLAVA:
        entry = real.manifest.split(source, "train")
        assert (entry.rows, entry.groups) == (100, 100)
        assert (entry.written, entry.rejected, entry.filtered) == (num_turns, {}, {})
    entry = real.manifest.split("msrvtt_qa", "val")
    assert (entry.written, entry.rejected, entry.filtered) == (12_278, {}, {})
    assert entry.expected_verified
    assert set(entry.expected.values()) == {12_278}


def test_dialogs_have_ids_of_their_own_that_name_their_image(dialogs: list[Any]) -> None:
    assert len({row["id"] for row in dialogs}) == len(dialogs) == 100
    assert all(row["image"] == f"{row['id']}.jpg" for row in dialogs)


def test_turns_are_the_dialogs_messages_in_order(real: Any, dialogs: list[Any]) -> None:
    records = by_id(real, "llava_conversation", "train")
    seen: Counter[str] = Counter()
    for row in dialogs:
        messages = row["conversations"]
        history: list[tuple[str, str]] = []
        for number in range(1, len(messages) // 2 + 1):
            request, reply = (messages[2 * number - 2 + n]["value"] for n in (0, 1))
            record = records.pop(f"{row['id']}#turn{number}")
            first, mark, last = request.partition("<image>")
            seen["before" if mark and not first else "after" if mark else "without"] += 1
            assert record.question == f"{first}{last}".strip("\n")
            assert record.target == record.response == reply
            assert record.references == (reply,)
            assert [(turn.question, turn.answer) for turn in record.dialog or ()] == history
            lines = [text for turn in history for text in turn]
            assert record.instruction == "\n".join([*lines, record.question])
            assert [image.path for image in record.images] == [f"coco/train2017/{row['image']}"]
            assert record.group_id == f"coco:{int(row['id'])}"
            history.append((record.question, record.target))
    assert records == {}
    assert (seen["before"], seen["after"]) == (46, 54)


def test_answers_keep_their_line_breaks(real: Any) -> None:
    targets = [record.target for record in real.records("llava_reasoning", "train")]
    assert sum("\n" in target for target in targets) == 58


def test_questions_of_the_csv_are_those_of_its_lines(real: Any, raw_folder: Path) -> None:
    records = by_id(real, "msrvtt_qa", "val")
    with (raw_folder / "msrvtt_qa/val.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(records)
    for row in rows:
        record = records[row["qid"]]
        assert (record.question, record.target) == (row["question"], row["answer"])
        assert record.references == (row["answer"],)
        assert (record.video.path, record.video.frame_times) == (
            f"msrvtt/video{row['video']}.mp4",
            None,
        )
        assert record.group_id == f"msrvtt:video{row['video']}"
        assert record.tags == {"category": row["type"]}


def test_ids_run_on_from_train_and_a_video_has_one_category(real: Any) -> None:
    records = by_id(real, "msrvtt_qa", "val")
    num_train = load_source("msrvtt_qa").card.splits["train"].counts["1.0"].value
    assert sorted(map(int, records)) == list(range(num_train, num_train + 12_278))
    categories = {(record.group_id, record.tags["category"]) for record in records.values()}
    assert len(categories) == len({group for group, _ in categories}) == 497


def test_without_training_answers_ranking_is_refused(real: Any) -> None:
    entry = real.manifest.candidates["msrvtt_qa"]
    assert entry.path is None
    assert entry.reason == "train_qa.json is not in msrvtt_qa; ranking needs its answers"
