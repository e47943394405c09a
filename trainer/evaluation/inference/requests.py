"""From a record to a request: the protocol's prompt, and the candidates of a ranked task."""

from dataclasses import dataclass
from string import ascii_lowercase

from datagen.errors import RowRejectedError
from datagen.render import Chance, evaluation
from datagen.schema.record import Record
from trainer.errors import EvaluationError
from trainer.evaluation.predictions.prediction import Prediction
from trainer.evaluation.tasks.tasks import Task

_NO_CHANCE = Chance(0, 0, 0, 0)
"""A prompt has none; only the target, which is not used, would be drawn."""


_MISSING = {
    "vocabulary": "answer vocabulary",
    "record": "candidates",
    "choices": "choices",
    "letters": "choices",
    "capitals": "choices",
}


@dataclass(frozen=True)
class Request:
    """The request about a record. `prediction` is its prediction with an empty output.

    `candidates` are all that is ranked; None where text is generated.
    """

    prediction: Prediction
    candidates: tuple[str, ...] | None


def make_request(
    task: Task, record: Record, number: int, vocabulary: tuple[str, ...] | None
) -> Request:
    """Make the request about record `number` of the task's split.

    Raises:
        EvaluationError: the prompt needs a field that the record lacks, or there is nothing to rank.
    """
    try:
        made = evaluation(record.example(), task.protocol, _NO_CHANCE, task.title)
    except RowRejectedError as error:
        raise EvaluationError(f"{record.record_id}: {error.message}") from None
    except (AssertionError, ZeroDivisionError) as error:
        raise EvaluationError(f"{record.record_id} does not fit the schema: {error}") from None
    candidates = _candidates(task, record, vocabulary)
    verbalizers = task.rules.verbalizers
    prediction = Prediction(
        record_id=record.record_id,
        number=number,
        group_id=record.group_id,
        prompt=made.instruction,
        output="",
        references=made.references,
        candidates=None if task.rules.candidates == "vocabulary" else candidates,
        num_candidates=None if candidates is None else len(candidates),
        num_positive=len(verbalizers.positive) if verbalizers else None,
        correct_choice=record.correct_choice if candidates else None,
        label=record.label,
        relevance=record.relevance,
        tags=record.tags,
        images=tuple(image.path for image in record.images or ()),
    )
    return Request(prediction, candidates)


def _candidates(
    task: Task, record: Record, vocabulary: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    verbalizers = task.rules.verbalizers
    match task.rules.candidates:
        case None:
            return None
        case "verbalizers":
            assert verbalizers is not None  # the two go together
            return (*verbalizers.positive, *verbalizers.negative)
        case "vocabulary":
            found = vocabulary
        case "record":
            found = record.candidates
        case "choices":
            found = record.choices
        case "letters":
            found = record.choices and tuple(f"({letter})" for letter in _letters(record))
        case "capitals":
            found = record.choices and tuple(_letters(record).upper())
    if not found:
        raise EvaluationError(
            f"{record.record_id}: nothing to rank, it has no {_MISSING[task.rules.candidates]}"
        )
    if blank := [number for number, text in enumerate(found) if not text.strip()]:
        raise EvaluationError(
            f"{record.record_id}: candidate {blank[0]} ({found[blank[0]]!r}) is blank, it has no token to rank"
        )
    return found


def _letters(record: Record) -> str:
    """As `templates.language.lettered` writes them, of at most 26 choices."""
    count = len(record.choices or ())
    if count > len(ascii_lowercase):
        raise EvaluationError(
            f"{record.record_id}: it has {count} choices, letters are ranked of at most 26"
        )
    return ascii_lowercase[:count]
