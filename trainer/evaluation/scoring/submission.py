"""The files that the servers of splits with hidden answers take.

- vqav2: `[{"question_id": int, "answer": str}]`; visualqa.org/evaluation.html, "Results Format".
- vizwiz: `[{"image": file name, "answer": str}]`; haotian-liu/LLaVA,
  `scripts/convert_vizwiz_for_submission.py`, which writes what that server takes.
- aokvqa: `{question_id: {"multiple_choice": str, "direct_answer": str}}`, where either may be absent;
  allenai/aokvqa, README.md, "Leaderboard", and `evaluation/prepare_predictions.py`.
- nocaps: `[{"image_id": int, "caption": str}]`; nocaps-org/updown-baseline, `updown/utils/evalai.py`.
- visdial: `[{"image_id": int, "round_id": int, "ranks": [int]}]`, rounds from 1, and of each candidate
  its rank from 1; batra-mlp-lab/visdial-challenge-starter-pytorch, `evaluate.py`.

Answers are written as they were generated: normalising them is the server's part. A multiple choice is
the text of the choice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from datagen.files import write_atomically
from trainer.errors import EvaluationError
from trainer.evaluation.metrics.log_probs import lacks_ranking, log_probs_of
from trainer.evaluation.metrics.ranks import ranks_of
from trainer.evaluation.predictions.prediction import Prediction

Key = TypeVar("Key")
_Native = Iterable[tuple[str, Prediction]]


def write_submission(source: str, split: str, predictions: Iterable[Prediction], path: Path) -> int:
    """Write the file of a source for its server, whole or not at all; returns how many answers it has.

    The predictions of both of A-OKVQA's tasks, one after the other, make one file. Whether each record
    of the split has one is for the caller to check.

    Raises:
        EvaluationError: no format is known, or a record is a duplicate, was skipped, is of another
            split, has an id that the server does not know, or lacks what its format needs.
    """
    if source not in _FORMATS:
        raise EvaluationError(
            f"{source}/{split}: no server's format is known; those of {', '.join(sorted(_FORMATS))} are"
        )
    content = _FORMATS[source](_native(f"{source}/{split}/", predictions))
    if not content:
        raise EvaluationError(f"{source}/{split}: nothing to submit, there are no predictions")
    with write_atomically(path) as file:
        file.write(msgspec.json.encode(content))
    return len(content)


def _native(prefix: str, predictions: Iterable[Prediction]) -> Iterator[tuple[str, Prediction]]:
    """Each prediction with its publisher's id."""
    for each in predictions:
        if each.skipped is not None:
            raise EvaluationError(
                f"{each.record_id}: it was left out ({each.skipped}), and the server wants an answer to "
                "every record; make its image readable and evaluate again"
            )
        if not each.record_id.startswith(prefix):
            raise EvaluationError(f"{each.record_id}: not a record of {prefix.rstrip('/')}")
        yield each.record_id.removeprefix(prefix), each


def _vqav2(predictions: _Native) -> list[dict[str, Any]]:
    answers = _once((_number(key, each), each) for key, each in predictions)
    return [{"question_id": key, "answer": each.output} for key, each in answers.items()]


def _vizwiz(predictions: _Native) -> list[dict[str, Any]]:
    answers = _once((_file_name(key, each), each) for key, each in predictions)
    return [{"image": name, "answer": each.output} for name, each in answers.items()]


def _nocaps(predictions: _Native) -> list[dict[str, Any]]:
    answers = _once((_number(key, each), each) for key, each in predictions)
    return [{"image_id": key, "caption": each.output} for key, each in answers.items()]


def _visdial(predictions: _Native) -> list[dict[str, Any]]:
    rounds: dict[tuple[int, int], list[int]] = {}
    for key, each in predictions:
        image, _, suffix = key.partition("#round")
        place = _number(image, each), _number(suffix, each)
        if place in rounds:
            raise _twice(each)
        if lacking := lacks_ranking(each):
            raise EvaluationError(f"{each.record_id}: {lacking}")
        rounds[place] = ranks_of(log_probs_of(each)).tolist()
    return [
        {"image_id": image, "round_id": number, "ranks": ranks}
        for (image, number), ranks in rounds.items()
    ]


def _aokvqa(predictions: _Native) -> dict[str, dict[str, str]]:
    """Questions with both tasks need both answers, so that no half of a file is missing."""
    answers: dict[str, dict[str, str]] = {}
    for key, each in predictions:
        form = "direct_answer" if each.candidates is None else "multiple_choice"
        if each.candidates is not None and each.output not in each.candidates:
            raise EvaluationError(f"{each.record_id}: the output {each.output!r} is no candidate")
        if each.candidates is not None and each.candidates[0] == "(a)":
            raise EvaluationError(
                f"{each.record_id}: letters were ranked, and the server wants the text of the choice; take "
                "a protocol whose candidates are `choices`"
            )
        forms = answers.setdefault(key, {})
        if form in forms:
            raise _twice(each)
        forms[form] = each.output
    all_forms = {form for forms in answers.values() for form in forms}
    for key, forms in answers.items():
        if absent := sorted(all_forms - set(forms)):
            raise EvaluationError(f"question {key} has no {absent[0]}, which others have")
    return answers


_FORMATS: Mapping[str, Callable[[_Native], Any]] = {
    "aokvqa": _aokvqa,
    "nocaps": _nocaps,
    "visdial": _visdial,
    "vizwiz": _vizwiz,
    "vqav2": _vqav2,
}


def has_format(source: str) -> bool:
    """Return whether the format of a source's server is known."""
    return source in _FORMATS


def _once(answers: Iterable[tuple[Key, Prediction]]) -> dict[Key, Prediction]:
    found: dict[Key, Prediction] = {}
    for key, each in answers:
        if key in found:
            raise _twice(each)
        found[key] = each
    return found


def _twice(prediction: Prediction) -> EvaluationError:
    return EvaluationError(
        f"{prediction.record_id}: a duplicate, and the server takes one answer a record"
    )


def _number(text: str, prediction: Prediction) -> int:
    """An id that the server has as a number, and as no other text."""
    if not (text.isascii() and text.isdigit()) or str(int(text)) != text:
        raise EvaluationError(
            f"{prediction.record_id}: {text!r} is not an integer, as the server's ids are"
        )
    return int(text)


def _file_name(key: str, prediction: Prediction) -> str:
    """The image's file name: record ids of VizWiz lack its suffix."""
    if len(prediction.images) != 1:
        raise EvaluationError(
            f"{prediction.record_id}: {len(prediction.images)} images, and the server goes by the name of "
            "the one"
        )
    path = PurePosixPath(prediction.images[0])
    if key not in (path.name, path.stem):
        raise EvaluationError(f"{prediction.record_id}: its image has another name, {path.name}")
    return path.name
