"""From the stream to this process's batches, in worker processes that run ahead of the model.

An item of the loader is a whole optimizer step: the micro-batches that this process takes of global
batch number b, which holds the samples b * G to (b + 1) * G - 1. Items are made in order whatever the
number of workers, and each is a function of b alone.
"""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from typing import TypeAlias

import torch
from torch.utils.data import DataLoader, Dataset

from trainer.batches.collate import Collator
from trainer.data.order.assign import BatchShape, assign
from trainer.data.order.sample import Sample
from trainer.data.stream import Stream
from trainer.errors import DataError, TrainingError
from trainer.model.batch import Batch

Step: TypeAlias = list[Batch]
"""The micro-batches of one process for one optimizer step."""


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


def load_steps(
    data: StepData, first: int, end: int, workers: int, *, ahead: int = 2, pin: bool
) -> Iterator[Step]:
    """The steps `first` to `end` - 1, prepared by `workers` processes, or here if there are none.

    Each of them prepares `ahead` steps before they are asked for.

    Raises:
        TrainingError: what a worker ran into.
    """
    for item in _items(data, range(first, end), workers, ahead, pin=pin):
        if isinstance(item, TrainingError):
            raise item
        yield item


def _items(
    data: StepData, numbers: Sequence[int], workers: int, ahead: int, *, pin: bool
) -> Iterator[Step | TrainingError]:
    if workers == 0:
        yield from (data[number] for number in numbers)
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "trainer.batches.loader"])
    loader = DataLoader(
        data,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=ahead,
        multiprocessing_context=context,
        pin_memory=pin,
        worker_init_fn=_end_with_parent,
    )
    others = set(multiprocessing.active_children())
    with _deaf_to_sigterm():
        items = iter(loader)
    processes = set(multiprocessing.active_children()) - others
    atexit.register(_end, processes)
    try:
        yield from items
    except (RuntimeError, OSError, EOFError) as error:
        if all(process.is_alive() for process in processes):
            raise
        raise DataError(
            f"a process that reads data is gone ({' '.join(str(error).split())}). If the host's log says that "
            "its memory ran out, lower data.workers; the last checkpoint is as it was"
        ) from None
    finally:
        _end(processes)


def _one_thread(worker: int) -> None:
    """There is a process for each core: more threads would only take turns."""
    torch.set_num_threads(1)


@contextmanager
def _deaf_to_sigterm() -> Iterator[None]:
    """Processes that are started meanwhile, and theirs, never see SIGTERM.

    Launchers and clusters send it to the children of a training process too, which needs them until it
    has stopped. It is held back here meanwhile, not lost.
    """
    resource_tracker.ensure_running()  # multiprocessing's own, which would let SIGTERM through again
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        forkserver.ensure_running()
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def _end_with_parent(number: int) -> None:
    """In a worker: end when the training process has been killed.

    Torch's workers look for their parent too, but with a forkserver that is the server, which ends only
    after them (torch 2.13).
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _end(processes: Collection[BaseProcess]) -> None:
    """End workers for good; what they write is whole or not there."""
    for process in processes:
        process.kill()
        process.join()
