"""What is wrong with a split, found before the model is loaded: every record's text is looked at once."""

from collections.abc import Iterator

from msgspec.structs import replace as filled

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Metric
from trainer.evaluation.prediction import Prediction
from trainer.evaluation.records import SplitRecords
from trainer.evaluation.requests import Request, make_request
from trainer.evaluation.tasks import Task

NUM_NAMED = 8


def check_split(
    task: Task,
    records: SplitRecords,
    metric: Metric,
    vocabulary: tuple[str, ...] | None,
    limit: int | None = None,
) -> None:
    """Render every prompt, look for records that are there twice or cannot be scored.

    Raises:
        EvaluationError: names the task, the first records and what each lacks, and how many more.
    """
    mistakes = list(_mistakes(task, records, metric, vocabulary, limit))
    if mistakes:
        more = f" and {len(mistakes) - NUM_NAMED:,} more" if len(mistakes) > NUM_NAMED else ""
        raise EvaluationError(
            f"task {task.name}: {len(mistakes):,} records of {records.name} cannot be evaluated: "
            f"{'; '.join(mistakes[:NUM_NAMED])}{more}. Build the dataset again, or take another protocol"
        )


def _mistakes(
    task: Task,
    records: SplitRecords,
    metric: Metric,
    vocabulary: tuple[str, ...] | None,
    limit: int | None,
) -> Iterator[str]:
    seen: dict[int, int] = {}
    for number, record in enumerate(records.texts(limit)):
        before = seen.setdefault(hash(record.record_id), number)
        if before != number:
            yield f"{record.record_id} is there twice (rows {before:,} and {number:,})"
            continue
        if (record.source, record.split) != (task.source, task.split):
            yield f"{record.record_id} (row {number:,}) says it is of {record.source}/{record.split}"
            continue
        try:
            request = make_request(task, record, number, vocabulary)
        except EvaluationError as error:
            yield str(error)
            continue
        if not task.hidden and (lacking := metric.lacks(_answered(request))):
            yield f"{record.record_id}: {lacking}"


def _answered(request: Request) -> Prediction:
    """The request as if it had been answered, to see what else a score needs."""
    if request.candidates is None:
        return filled(request.asked, output="-")
    named = request.asked.candidates or request.candidates[:1]
    return filled(request.asked, output=named[0], candidates=named, log_probs=(0.0,) * len(named))
