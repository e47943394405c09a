from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest

from datagen.errors import RawDataError
from datagen.files import LocalFiles, hash_file
from datagen.schema.adapter import Rows, Vocabulary
from datagen.sources import load_source
from datagen.sources.shared.video_questions import VideoQuestion
from datagen.sources.shared.vocabulary import count_answers
from datagen.text import clean_line

ANSWERS = Vocabulary(Rows("train_qa.json", VideoQuestion), lambda row: [clean_line(row.answer)])


def row(number: int, answer: Any) -> dict[str, Any]:
    return {"id": number, "video_id": 1, "question": "who?", "answer": answer}


def counted(raw: Any, vocabulary: Vocabulary = ANSWERS) -> Any:
    return count_answers(vocabulary, str(raw.root / "msvd_qa"), LocalFiles())


def test_answers_are_counted_over_all_windows(raw: Any) -> None:
    answers = [f"answer {n % 7}" for n in range(60_000)]
    raw.json("msvd_qa/train_qa.json", [row(n, answer) for n, answer in enumerate(answers)])
    assert counted(raw) == {answer: answers.count(answer) for answer in set(answers)}


def test_answers_are_counted_as_they_are_written(raw: Any) -> None:
    raw.json("msvd_qa/train_qa.json", [row(1, "man"), row(2, " man\n"), row(3, " "), row(4, "")])
    assert counted(raw) == {"man": 2}


def test_several_answers_of_a_row_count_and_rare_ones_are_left_out(raw: Any) -> None:
    words = replace(ANSWERS, answers=lambda row: row.answer.split(","))
    raw.json("msvd_qa/train_qa.json", [row(1, "a,b,b"), row(2, "b,c,"), row(3, "c")])
    assert counted(raw, words) == {"a": 1, "b": 3, "c": 2}
    assert counted(raw, replace(words, min_count=2)) == {"b": 3, "c": 2}
    assert counted(raw, replace(words, min_count=4)) == {}


def test_rows_that_cannot_be_decoded_are_left_out(raw: Any) -> None:
    raw.json("msvd_qa/train_qa.json", [row(1, "man"), row(2, 5), {"answer": "dog"}])
    assert counted(raw) == {"man": 1}


def test_without_its_file_there_is_no_vocabulary(raw: Any) -> None:
    assert counted(raw) is None


def test_a_file_that_is_cut_off_is_refused(raw: Any) -> None:
    raw.write("msvd_qa/train_qa.json", '[{"id": 1')
    with pytest.raises(RawDataError, match=r"train_qa\.json is cut off"):
        counted(raw)


def test_the_vocabulary_lies_beside_the_data_most_frequent_first(
    referenced: Any, sample_raw: Any
) -> None:
    for source_id, entry in referenced.manifest.candidates.items():
        source = load_source(source_id)
        assert source.vocabulary is not None
        table = pq.read_table(referenced.out / entry.path)
        pairs = list(zip(table["answer"].to_pylist(), table["count"].to_pylist(), strict=True))
        assert pairs == sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        folder = f"{sample_raw}/{source.card.folder}"
        assert dict(pairs) == count_answers(source.vocabulary, folder, LocalFiles())
        assert entry.rows == len(pairs) > 3
        assert entry.sha256 == hash_file(LocalFiles(), str(referenced.out / entry.path))[1]
    assert "msvd_qa" in referenced.manifest.candidates
    assert "vqav2" not in referenced.manifest.candidates


def test_a_build_without_training_answers_says_why_ranking_is_refused(
    raw: Any, build: Any, sample_raw: Any
) -> None:
    for name in ("test_qa.json", "youtube_mapping.txt"):
        raw.write(f"msvd_qa/{name}", (sample_raw / "msvd_qa" / name).read_bytes())
    building = build(image_roots={"msvd": f"{sample_raw}/videos/msvd"})
    entry = building.manifest.candidates["msvd_qa"]
    assert (entry.path, entry.rows) == (None, 0)
    assert entry.reason == "train_qa.json is not in msvd_qa; ranking needs its answers"
    assert not (building.out / "candidates").exists()
