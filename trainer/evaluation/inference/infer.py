"""Inference on a split: windows of records, batches of similar lengths, images read ahead."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from msgspec.structs import replace

from datagen.schema.record import Record
from templates.evaluation import Decoding, LanguageModel
from trainer.data.reading.images import Pixels
from trainer.data.reading.record_images import RecordImages, UnreadableError
from trainer.data.reading.resize import prepare
from trainer.errors import DataError, EvaluationError
from trainer.evaluation.inference.adapter import ModelInput
from trainer.evaluation.inference.requests import Request, make_request
from trainer.evaluation.predictions.parts import Parts
from trainer.evaluation.predictions.prediction import Prediction
from trainer.evaluation.tasks.records import SplitRecords
from trainer.evaluation.tasks.tasks import Task

NUM_BEST = 10
"""Candidates of a vocabulary that are saved with a prediction."""
BATCHES_AHEAD = 2


class InferenceModel(Protocol):
    """The model as inference needs it; see `trainer.evaluation.inference.adapter.ModelAdapter`."""

    @property
    def language_model(self) -> LanguageModel: ...

    @property
    def image_side(self) -> int: ...

    def generate(self, batch: Sequence[ModelInput], decoding: Decoding) -> list[str]: ...

    def rank(
        self, batch: Sequence[ModelInput], candidates: Sequence[Sequence[str]], *, end_token: bool
    ) -> list[list[float]]: ...


class _Ready(NamedTuple):
    """A request whose images have been read, or could not be."""

    request: Request
    pixels: Pixels | None
    unreadable: str | None


@dataclass(frozen=True)
class Inference:
    """Runs the model of `adapter` on the records of one task."""

    task: Task
    adapter: InferenceModel
    records: SplitRecords
    images: RecordImages
    vocabulary: tuple[str, ...] | None
    batch_size: int
    skip_unreadable: bool = False
    num_threads: int = 2

    def run(
        self, parts: Parts, windows: Sequence[int], rank: int, progress: Callable[[int], None]
    ) -> None:
        """Predict the records of `windows` and append them to `parts`; call `progress` with each window's size.

        Raises:
            EvaluationError: names the task and the record that failed.
        """
        with ThreadPoolExecutor(self.num_threads) as threads:
            for window in windows:
                rows = parts.rows(window)
                found = list(self._window(rows, threads))
                parts.append(rank, found)
                progress(len(found))

    def predict(self, rows: Sequence[int]) -> list[Prediction]:
        """Return the predictions of some records.

        Raises:
            EvaluationError: as `run`.
        """
        with ThreadPoolExecutor(self.num_threads) as threads:
            return list(self._window(rows, threads))

    def _window(self, rows: Sequence[int], threads: ThreadPoolExecutor) -> Iterator[Prediction]:
        batches = self._batches(rows)
        ahead: list[list[Future[_Ready]]] = []
        while batches or ahead:
            while batches and len(ahead) < BATCHES_AHEAD:
                ahead.append([threads.submit(self._ready, *each) for each in batches.pop(0)])
            yield from self._predict_batch([future.result() for future in ahead.pop(0)])

    def _batches(self, rows: Sequence[int]) -> list[list[tuple[Request, Record]]]:
        """Divide the records of a window into batches of prompts of similar lengths."""
        records = self.records.rows(rows)
        requests = [
            (make_request(self.task, record, number, self.vocabulary), record)
            for number, record in zip(rows, records, strict=True)
        ]
        requests.sort(key=lambda pair: (len(pair[1].images or ()), len(pair[0].prediction.prompt)))
        return [
            requests[first : first + self.batch_size]
            for first in range(0, len(requests), self.batch_size)
        ]

    def _ready(self, request: Request, record: Record) -> _Ready:
        embedded = [
            None if image.bytes is None else memoryview(image.bytes)
            for image in record.images or ()
        ]
        try:
            images, _ = self.images.read(record, embedded)
        except UnreadableError as error:
            return _Ready(request, None, str(error))
        except DataError as error:
            return _Ready(request, None, f"{error} (--image-root NAME=DIR)")
        return _Ready(
            request, prepare(images, self.adapter.image_side, how=self.task.rules.image), None
        )

    def _predict_batch(self, ready: Sequence[_Ready]) -> Iterator[Prediction]:
        readable = []
        for each in ready:
            if each.pixels is not None:
                readable.append(each)
            elif self.skip_unreadable:
                yield replace(
                    each.request.prediction, skipped=f"image not readable: {each.unreadable}"
                )
            else:
                raise EvaluationError(
                    f"task {self.task.name}, record {each.request.prediction.record_id}: its image cannot be "
                    f"read: {each.unreadable}. Repair it, or leave such records out with --skip-unreadable"
                )
        if readable:
            yield from self._respond(readable)

    def _respond(self, ready: Sequence[_Ready]) -> list[Prediction]:
        try:
            return self._infer(ready)
        except EvaluationError as error:
            raise EvaluationError(f"task {self.task.name}: {error}") from error
        except torch.OutOfMemoryError as error:
            raise EvaluationError(
                f"task {self.task.name}: a batch of {len(ready)} does not fit in the GPU's memory; take a "
                f"smaller --batch-size ({str(error).splitlines()[0]})"
            ) from error
        except Exception as error:
            if len(ready) == 1:
                name = ready[0].request.prediction.record_id
                raise EvaluationError(
                    f"task {self.task.name}, record {name}: the model failed: {_one_line(error)}"
                ) from error
            for each in ready:  # which of them it is
                self._respond([each])
            names = ", ".join(each.request.prediction.record_id for each in ready)
            raise EvaluationError(
                f"task {self.task.name}: the model failed on {names} together, not on each alone: "
                f"{_one_line(error)}"
            ) from error

    def _infer(self, ready: Sequence[_Ready]) -> list[Prediction]:
        batch = [
            ModelInput(
                each.request.prediction.record_id,
                each.request.prediction.prompt,
                torch.from_numpy(each.pixels),
            )
            for each in ready
            if each.pixels is not None
        ]
        rules = self.task.rules
        if rules.decoding is not None:
            texts = self.adapter.generate(batch, rules.decoding)
            return [
                replace(each.request.prediction, output=text)
                for each, text in zip(ready, texts, strict=True)
            ]
        candidates = [each.request.candidates or () for each in ready]
        ends = rules.ends(self.adapter.language_model)
        scores = self.adapter.rank(batch, candidates, end_token=ends)
        return [ranked(each.request, row) for each, row in zip(ready, scores, strict=True)]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def ranked(request: Request, log_probs: Sequence[float]) -> Prediction:
    """Return the prediction of a ranking: the best candidate, of equal ones the first."""
    candidates = request.candidates or ()
    order = sorted(range(len(candidates)), key=lambda number: -log_probs[number])
    kept = range(len(candidates)) if request.prediction.candidates is not None else order[:NUM_BEST]
    return replace(
        request.prediction,
        output=candidates[order[0]],
        candidates=tuple(candidates[number] for number in kept),
        log_probs=tuple(log_probs[number] for number in kept),
    )
