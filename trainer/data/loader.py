"""From the stream to this process's batches, in worker processes that run ahead of the model.

An item of the loader is a whole optimizer step: the micro-batches that this process takes of global
batch number b, which holds the samples b * G to (b + 1) * G - 1. Items are made in order whatever the
number of workers, and each is a function of b alone.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch
from torch.utils.data import DataLoader, Dataset

from trainer.data.assign import BatchShape, assign
from trainer.data.batch import Batch
from trainer.data.collate import Collator
from trainer.data.sample import Sample
from trainer.data.stream import Stream
from trainer.errors import TrainingError

Step: TypeAlias = list[Batch]
"""The micro-batches of one process for one optimizer step."""

_AHEAD = 2
"""Steps that each worker process prepares before they are asked for."""


class StepData(Dataset["Step | TrainingError"]):
    """Item b: the micro-batches of process `rank` for global batch b.

    A user's error comes back as a value: torch would wrap it in a traceback of the worker.
    """

    def __init__(
        self,
        stream: Stream,
        collator: Collator,
        shape: BatchShape,
        rank: int,
        *,
        bucketing: bool,
    ) -> None:
        self.stream, self.collator, self.shape, self.rank = stream, collator, shape, rank
        self.bucketing = bucketing and shape.accumulation > 1

    def __getitem__(self, number: int) -> Step | TrainingError:
        torch.set_num_threads(1)
        try:
            return [self.collator(self.stream.samples(ks)) for ks in self.numbers(number)]
        except TrainingError as error:
            return error

    def numbers(self, number: int) -> list[list[int]]:
        """The samples of this process in global batch `number`, by micro-batch."""
        first = number * self.shape.num_samples
        lengths = None
        if self.bucketing:
            texts = self.stream.texts(range(first, first + self.shape.num_samples))
            lengths = [_length(sample) for sample in texts]
        return [[first + k for k in micro] for micro in assign(lengths, self.shape)[self.rank]]


def _length(sample: Sample) -> int:
    """Characters, which stand for tokens: cheap, and only the order counts."""
    return len(sample.instruction) + len(sample.target)


def load_steps(data: StepData, first: int, end: int, workers: int, *, pin: bool) -> Iterator[Step]:
    """The steps `first` to `end` - 1, prepared by `workers` processes, or here if there are none.

    Raises:
        TrainingError: what a worker ran into.
    """
    for item in _items(data, range(first, end), workers, pin=pin):
        if isinstance(item, TrainingError):
            raise item
        yield item


def _items(
    data: StepData, numbers: Sequence[int], workers: int, *, pin: bool
) -> Iterator[Step | TrainingError]:
    if workers == 0:
        yield from (data[number] for number in numbers)
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "trainer.data.loader"])
    yield from DataLoader(
        data,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=_AHEAD,
        multiprocessing_context=context,
        pin_memory=pin,
    )
