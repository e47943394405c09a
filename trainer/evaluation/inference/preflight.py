"""Preflight: every record of a split is checked once before inference begins.

Texts and references are checked before the model is loaded, lengths and candidates with its tokenizer.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

import torch
from msgspec.structs import replace as filled

from datagen.media.video import NUM_FRAMES
from datagen.schema.record import Record
from templates.evaluation import LanguageModel
from trainer.data.reading.record_images import RecordImages
from trainer.errors import EvaluationError
from trainer.evaluation.inference.prompts import ModelInput
from trainer.evaluation.inference.requests import Request, make_request
from trainer.evaluation.metrics.base import Metric
from trainer.evaluation.predictions.prediction import Prediction
from trainer.evaluation.tasks.records import SplitRecords
from trainer.evaluation.tasks.tasks import Task

NUM_NAMED = 8
_AT_ONCE = 256


class ChecksRoom(Protocol):
    """The model as `check_fits` needs it; see `trainer.evaluation.inference.adapter.ModelAdapter`."""

    @property
    def language_model(self) -> LanguageModel: ...

    def check(
        self,
        batch: Sequence[ModelInput],
        candidates: Sequence[Sequence[str]] | None,
        *,
        end_token: bool,
        most_new: int,
    ) -> int: ...


class Preflight:
    """Checks the records of one task's split; the first `limit` of them.

    `images` are given where they are kept by reference: then each must have a folder, or be embedded.
    """

    def __init__(
        self,
        task: Task,
        records: SplitRecords,
        metric: Metric,
        vocabulary: tuple[str, ...] | None = None,
        limit: int | None = None,
        images: RecordImages | None = None,
    ) -> None:
        self.task, self.records, self.metric = task, records, metric
        self.vocabulary, self.limit, self.images = vocabulary, limit, images

    def check(self, skip_unreadable: bool = False) -> None:
        """Render every prompt; find duplicate records and those that cannot be scored.

        Raises:
            EvaluationError: names the task, the first records and what each lacks, and how many more.
        """
        task, wanted = self.task, self.task.rules.normaliser
        if self.metric.normaliser != wanted:
            raise EvaluationError(
                f"task {task.name}: {task.protocol.file} has normaliser {wanted!r}, but its metric "
                f"{self.metric.name} has {self.metric.normaliser!r}"
            )
        if not len(self.records):
            raise EvaluationError(f"task {task.name}: {self.records.name} has no records")
        faults = list(self._faults(skip_unreadable))
        if faults:
            more = f" and {len(faults) - NUM_NAMED:,} more" if len(faults) > NUM_NAMED else ""
            raise EvaluationError(
                f"task {task.name}: {len(faults):,} records of {self.records.name} cannot be evaluated: "
                f"{'; '.join(faults[:NUM_NAMED])}{more}. Build the dataset again, or take another protocol"
            )

    def check_fits(self, adapter: ChecksRoom) -> int:
        """Check that every prompt fits the model, and that every candidate has tokens.

        Returns the number of prompts that the Q-Former truncates.

        Raises:
            EvaluationError: names task and record.
        """
        rules, num_cut = self.task.rules, 0
        requests = (self._request(*each) for each in enumerate(self.records.texts(self.limit)))
        while some := list(islice(requests, _AT_ONCE)):
            batch = [
                ModelInput(
                    each.prediction.record_id, each.prediction.prompt, torch.empty(_frames(each), 0)
                )
                for each in some
            ]
            try:
                if rules.decoding is not None:
                    most_new = rules.decoding.most_new_tokens(adapter.language_model)
                    num_cut += adapter.check(batch, None, end_token=False, most_new=most_new)
                else:
                    candidates = [each.candidates or () for each in some]
                    ends = rules.ends(adapter.language_model)
                    num_cut += adapter.check(batch, candidates, end_token=ends, most_new=0)
            except EvaluationError as error:
                raise EvaluationError(f"task {self.task.name}: {error}") from None
        return num_cut

    def _request(self, number: int, record: Record) -> Request:
        return make_request(self.task, record, number, self.vocabulary)

    def _faults(self, skip_unreadable: bool) -> Iterator[str]:
        seen: dict[int, int] = {}
        for number, record in enumerate(self.records.texts(self.limit)):
            before = seen.setdefault(hash(record.record_id), number)
            if before != number:
                yield f"{record.record_id} is a duplicate (rows {before:,} and {number:,})"
            elif fault := self._fault(number, record):
                yield fault
            elif not skip_unreadable and (fault := self._image_fault(number, record)):
                yield f"{record.record_id}: {fault}"

    def _fault(self, number: int, record: Record) -> str | None:
        """Return why a record cannot be evaluated, or None."""
        if not record.record_id:
            return f"row {number:,} has no id"
        if (record.source, record.split) != (self.task.source, self.task.split):
            return f"{record.record_id} (row {number:,}) has source and split {record.source}/{record.split}"
        for name in sorted(self.task.protocol.prompt.required):
            value = getattr(record, name, None)
            if isinstance(value, str) and not value.strip():
                return f"{record.record_id}: its {name} is blank"
        try:
            request = self._request(number, record)
        except EvaluationError as error:
            return str(error)
        if not self.task.hidden and (lacking := self.metric.lacks(_answered(request))):
            return f"{record.record_id}: {lacking}"
        return None

    def _image_fault(self, number: int, record: Record) -> str | None:
        images = record.images or ()
        if record.video is not None:
            if images and len(images) != NUM_FRAMES:
                return f"its video has {len(images)} frames, {NUM_FRAMES} are needed"
            return None
        if len(images) != 1:
            return f"it has {len(images) or 'no'} images, one is needed"
        if (
            self.images is not None
            and self.images.locate(images[0].path) is None
            and not self._is_embedded(number)
        ):
            collection = images[0].path.partition("/")[0]
            return (
                f"{images[0].path} is kept by reference; say where that is with --image-root "
                f"{collection}=DIR"
            )
        return None

    def _is_embedded(self, number: int) -> bool:
        """Return True if a record holds its image, as it may among others by reference."""
        [record] = self.records.rows([number])
        return all(image.bytes is not None for image in record.images or ())


def _frames(request: Request) -> int:
    return max(len(request.prediction.images), 1)


def _answered(request: Request) -> Prediction:
    """Return the prediction with a made-up response, to see what else a score needs."""
    if request.candidates is None:
        return filled(request.prediction, output="-")
    named = request.prediction.candidates or request.candidates[:1]
    return filled(
        request.prediction, output=named[0], candidates=named, log_probs=(0.0,) * len(named)
    )
