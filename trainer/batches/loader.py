"""From the stream to this process's batches, in worker processes that run ahead of the model.

An item of the loader is a whole optimizer step: the micro-batches that this process takes of global
batch number b, which holds the samples b * G to (b + 1) * G - 1. Items are made in order whatever the
number of workers, and each is a function of b alone.
"""

import atexit
import errno
import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import TypeAlias

import torch
from torch.utils.data import DataLoader, Dataset

from trainer.batches.collate import Collator
from trainer.batches.transfer import SHARED_MEMORY, Packed, free_shared_bytes, pack
from trainer.data.order.assign import BatchShape, assign
from trainer.data.order.sample import Sample
from trainer.data.stream import Stream
from trainer.errors import DataError, TrainingError
from trainer.launch.stop import STOP_SIGNALS
from trainer.launch.terminal import log
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


class _PackedSteps(Dataset[Packed]):
    """The items of a `StepData`, packed for the way to another process."""

    def __init__(self, data: StepData) -> None:
        self.data = data

    def __getitem__(self, number: int) -> Packed:
        return pack(self.data[number])


def load_steps(
    data: StepData,
    numbers: Sequence[int],
    workers: int,
    *,
    ahead: int = 2,
    pin: bool,
    timeout: float = 0.0,
) -> Iterator[Step]:
    """Yield the steps `numbers`, from 0, prepared by `workers` processes, or here if there are none.

    Each of them prepares `ahead` steps before they are needed. `timeout`: for how many seconds a step may keep
    the run waiting, 0 for any number.

    Raises:
        TrainingError: what a worker ran into, a worker that ended, or the timeout.
    """
    for item in _items(data, numbers, workers, ahead, timeout, pin=pin):
        if isinstance(item, TrainingError):
            raise item
        yield item


def _items(
    data: StepData, numbers: Sequence[int], workers: int, ahead: int, timeout: float, *, pin: bool
) -> Iterator[Step | TrainingError]:
    if workers == 0:
        yield from _watched(data, numbers, timeout) if timeout else map(data.__getitem__, numbers)
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "trainer.batches.loader"])
    loader = DataLoader(
        _PackedSteps(data),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=ahead,
        multiprocessing_context=context,
        pin_memory=pin,
        timeout=timeout,
        worker_init_fn=_end_with_parent,
    )
    others = set(multiprocessing.active_children())
    items = _started(loader)
    processes = set(multiprocessing.active_children()) - others
    atexit.register(_end, processes)
    warned = data.rank > 0
    try:
        for packed in items:
            if not packed.is_shared and packed.block and not warned:
                warned = True
                log(_no_room(len(packed.block)))
            yield packed.unpack()
    except (RuntimeError, OSError, EOFError) as error:
        if not all(process.is_alive() for process in processes):
            raise DataError(
                f"a process that reads data has ended ({' '.join(str(error).split())}). If the host's log says "
                "that its memory ran out, lower data.workers; the last checkpoint is intact"
            ) from None
        if "timed out" in str(error):
            raise DataError(
                _stuck(f"the {workers} processes that read data have", timeout)
            ) from None
        raise
    finally:
        _end(processes)


def _watched(
    data: StepData, numbers: Sequence[int], timeout: float
) -> Iterator[Step | TrainingError]:
    """Yield the items, each prepared when it is asked for, in a thread of this process.

    A read that never returns cannot be interrupted; the thread is a daemon, so it keeps no process alive.

    Raises:
        DataError: an item takes longer than `timeout` seconds.
    """
    wanted: SimpleQueue[tuple[int, Future[Step | TrainingError]] | None] = SimpleQueue()

    def work() -> None:
        while (job := wanted.get()) is not None:
            number, item = job
            try:
                item.set_result(data[number])
            except BaseException as error:
                item.set_exception(error)

    threading.Thread(target=work, name="data", daemon=True).start()
    try:
        for number in numbers:
            item: Future[Step | TrainingError] = Future()
            wanted.put((number, item))
            if not wait([item], timeout).done:
                raise DataError(_stuck("this process has", timeout))
            yield item.result()
    finally:
        wanted.put(None)


def _stuck(who: str, timeout: float) -> str:
    return (
        f"{who} prepared no step for {timeout / 60:.3g} minutes: is the disk or the object store of the dataset or "
        "its images stuck? The last checkpoint is intact; data.timeout_minutes sets how long a run waits"
    )


def _started(loader: DataLoader[Packed]) -> Iterator[Packed]:
    """The loader's items; its processes are running.

    Raises:
        DataError: shared memory has no room for the few bytes of their locks.
    """
    try:
        with _deaf_to_signals():
            return iter(loader)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DataError(
            f"{SHARED_MEMORY} is full: processes that read data cannot be started. Free some of it, give the "
            "container more (docker run --shm-size=8g), or set data.workers=0"
        ) from None


def _no_room(num_bytes: int) -> str:
    return (
        f"visinstruct: {SHARED_MEMORY} has {free_shared_bytes() / 1e6:,.0f} MB free, too few for steps of "
        f"{num_bytes / 1e6:,.0f} MB: they go through pipes, which is slower. Give the container more (docker run "
        "--shm-size=8g) or lower data.workers and data.prefetch"
    )


def _one_thread(worker: int) -> None:
    """There is a process for each core: more threads would only take turns."""
    torch.set_num_threads(1)


@contextmanager
def _deaf_to_signals() -> Iterator[None]:
    """Processes that are started meanwhile, and theirs, never see the signals that stop a run.

    Launchers, clusters and terminals send them to the children of a training process too, which needs them
    until it has stopped. They are held back here meanwhile, not lost.
    """
    resource_tracker.ensure_running()  # multiprocessing's own, which would let SIGTERM through again
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        forkserver.ensure_running()
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


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
