"""The prediction of one record, with all that a score needs: a line of `samples_<task>.jsonl`."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datagen.files import write_atomically
from trainer.errors import EvaluationError


class Prediction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record's response. Written without the last three fields, which scoring fills.

    number          the record's row in its split, from 0
    prompt          the text that the Q-Former and the language model read
    output          the generated text as it was decoded, or the best candidate
    references      what it is scored against, equal ones as often as given; None where hidden
    candidates      what was ranked, in the record's order; of a source's vocabulary the ten best, best first
    log_probs       of `candidates`: sums of their tokens' log-probabilities, natural logarithm
    num_candidates  how many were ranked
    num_positive    of ranked verbalizers: so many of `candidates`, the first ones, stand for yes
    correct_choice  index of the right one in `candidates`, where the order is the record's
    label           of yes-or-no tasks
    relevance       of each candidate (Visual Dialog's dense annotation)
    tags            of the record: domain, question type, ...
    images          paths of its images, `<collection>/<relative path>`
    group_id        image or dialog that several records share
    skipped         why there is no response; such a record counts for nothing

    normalised, normalised_references   what was compared, after the metric's normaliser
    score           the record's part of the headline, 0 to 1 (CIDEr: to 10); None where a set has only
                    a score as a whole, or the record counts for nothing
    """

    record_id: str
    number: int
    group_id: str
    prompt: str
    output: str
    references: tuple[str, ...] | None = None
    candidates: tuple[str, ...] | None = None
    log_probs: tuple[float, ...] | None = None
    num_candidates: int | None = None
    num_positive: int | None = None
    correct_choice: int | None = None
    label: bool | None = None
    relevance: tuple[float, ...] | None = None
    tags: Mapping[str, str] | None = None
    images: tuple[str, ...] = ()
    skipped: str | None = None
    normalised: str | None = None
    normalised_references: tuple[str, ...] | None = None
    score: float | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Prediction)


def encode_line(prediction: Prediction) -> bytes:
    return _ENCODER.encode(prediction) + b"\n"


def read_predictions(path: Path) -> Iterator[Prediction]:
    """The predictions of a file, one after the other.

    Raises:
        EvaluationError: the file is missing, or a line is no prediction; names it.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield _DECODER.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise EvaluationError(
                        f"{path}, line {number}: no prediction ({error}); was it cut off or edited? Remove "
                        "the file and evaluate its task again"
                    ) from None
    except FileNotFoundError:
        raise EvaluationError(f"no such file: {path}") from None


def without_scores(path: Path) -> Iterator[Prediction]:
    """Read the predictions of a file as they were before scoring."""
    for each in read_predictions(path):
        yield replace(each, normalised=None, normalised_references=None, score=None)


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write a file that appears whole or not at all."""
    with write_atomically(path) as file:
        file.writelines(encode_line(prediction) for prediction in predictions)
