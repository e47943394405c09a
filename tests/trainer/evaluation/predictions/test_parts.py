"""Parts of predictions that several processes write, and their use after a kill."""

from pathlib import Path

import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.predictions.parts import Parts
from trainer.evaluation.predictions.prediction import Prediction, encode_line, read_predictions


def made(number: int) -> Prediction:
    return Prediction(
        record_id=f"gqa/test_dev/{number}", number=number, group_id="g", prompt="", output=""
    )


def window(parts: Parts, number: int) -> list[Prediction]:
    return [made(row) for row in parts.rows(number)]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Ten records in windows of four."""
    made = Parts(tmp_path, "gqa", 10, 4)
    assert made.gather() == set()
    return made


def test_windows_cover_the_records(parts: Parts) -> None:
    assert [list(parts.rows(n)) for n in range(parts.num_windows)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]


def test_windows_of_several_processes_become_one_file_in_order(
    parts: Parts, tmp_path: Path
) -> None:
    parts.append(1, window(parts, 1))
    parts.append(0, window(parts, 0)[::-1])
    parts.append(0, window(parts, 2))
    parts.finish(tmp_path / "samples.jsonl")
    assert [each.number for each in read_predictions(tmp_path / "samples.jsonl")] == list(range(10))
    assert not parts.folder.exists()


def test_half_a_window_is_asked_again(parts: Parts, tmp_path: Path) -> None:
    parts.append(0, window(parts, 0))
    parts.append(1, window(parts, 1)[:3])
    torn = parts.folder / "process-00001.jsonl"
    torn.write_bytes(torn.read_bytes() + encode_line(made(7))[:20])
    assert parts.gather() == {0}
    parts.append(0, window(parts, 1))
    parts.append(1, window(parts, 2))
    parts.finish(tmp_path / "samples.jsonl")
    assert [each.number for each in read_predictions(tmp_path / "samples.jsonl")] == list(range(10))


def test_a_long_torn_line_is_dropped_whole(parts: Parts) -> None:
    parts.append(0, window(parts, 0))
    file = parts.folder / "process-00000.jsonl"
    file.write_bytes(file.read_bytes() + b'{"record_id": "' + b"x" * 200_000)
    assert parts.gather() == {0}


def test_a_file_of_nothing_but_a_torn_line_is_empty(parts: Parts) -> None:
    (parts.folder / "process-00000.jsonl").write_bytes(b'{"rec')
    assert parts.gather() == set()


def test_missing_and_double_predictions_are_refused(parts: Parts, tmp_path: Path) -> None:
    parts.append(0, window(parts, 0))
    parts.append(0, window(parts, 2))
    with pytest.raises(EvaluationError, match="prediction of record 4 is missing"):
        parts.finish(tmp_path / "samples.jsonl")
    parts.append(1, window(parts, 0))
    with pytest.raises(EvaluationError, match="prediction of record 1 is a duplicate"):
        parts.finish(tmp_path / "samples.jsonl")
    assert not (tmp_path / "samples.jsonl").exists()
