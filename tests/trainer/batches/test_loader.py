import errno
import shlex
import subprocess
import sys
import threading

import pytest
import torch

from trainer.batches import loader
from trainer.batches.loader import StepData, load_steps
from trainer.data.order.assign import BatchShape
from trainer.data.order.sample import Place, Sample
from trainer.errors import DataError


class Texts:
    """A stream of samples whose texts are as long as their number."""

    def __init__(self, skips=False):
        self.skips = skips

    def texts(self, ks):
        return [make_sample(k) for k in ks]

    def samples(self, ks):
        if 13 in ks and not self.skips:
            raise DataError("sample 13 cannot be read")
        return [make_sample(k) for k in ks]


def make_sample(k: int) -> Sample:
    return Sample(
        place=Place(k, "vqav2", k, 0, k, 0, 0),
        record_id=str(k),
        group_id="g",
        template_id="t",
        instruction="x" * (k * 7 % 11),
        target="y",
    )


def numbers(samples):
    return [sample.place.k for sample in samples]


def data(shape, rank, bucketing=False):
    return StepData(Texts(), numbers, shape, rank, bucketing=bucketing)


def test_ranks_and_micro_batches_together_take_each_sample_of_a_step_once():
    for bucketing in (False, True):
        for world, micro, accumulation in ((1, 12, 1), (2, 3, 2), (3, 2, 2), (4, 1, 3)):
            shape = BatchShape(world_size=world, micro_batch=micro, accumulation=accumulation)
            taken = []
            for rank in range(world):
                step = data(shape, rank, bucketing)[2]
                assert [len(part) for part in step] == [micro] * accumulation
                taken += [k for part in step for k in part]
            assert sorted(taken) == list(range(24, 36))


def test_bucketing_puts_similar_lengths_into_one_micro_step():
    shape = BatchShape(world_size=1, micro_batch=4, accumulation=3)
    parts = data(shape, 0, bucketing=True)[0]
    lengths = [sorted(k * 7 % 11 for k in part) for part in parts]
    spans = [max(part) - min(part) for part in lengths]
    plain = data(shape, 0)[0]
    assert sum(spans) < sum(max(k * 7 % 11 for k in p) - min(k * 7 % 11 for k in p) for p in plain)


def test_steps_come_in_order_and_an_error_comes_at_its_step():
    shape = BatchShape(world_size=1, micro_batch=4)
    steps = load_steps(data(shape, 0), range(1, 5), 0, pin=False)
    assert next(steps) == [[4, 5, 6, 7]]
    assert next(steps) == [[8, 9, 10, 11]]
    try:
        next(steps)
    except DataError as error:
        assert str(error) == "sample 13 cannot be read"
    else:
        raise AssertionError("the error was swallowed")


class Tensors:
    """A collator of a tensor a sample."""

    def __call__(self, samples):
        return [torch.full((1000,), sample.place.k) for sample in samples]


class Stuck:
    """A stream whose storage never answers."""

    def samples(self, ks):
        threading.Event().wait()


LIMITED = """
import resource, sys, torch
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
from test_loader import Texts, Tensors
from trainer.batches.loader import StepData, load_steps
from trainer.data.order.assign import BatchShape

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    shape = BatchShape(world_size=1, micro_batch=2, accumulation=100)
    data = StepData(Texts(skips=True), Tensors(), shape, 0, bucketing=False)
    kept = list(load_steps(data, range(1, 6), 1, pin=False, timeout=120))
    assert [int(t[0]) for step in kept for micro in step for t in micro] == list(range(200, 1200))
"""


STUCK = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
from test_loader import Stuck, Tensors
from trainer.batches.loader import StepData, load_steps
from trainer.data.order.assign import BatchShape
from trainer.errors import DataError

shape = BatchShape(world_size=1, micro_batch=4)
data = StepData(Stuck(), Tensors(), shape, 0, bucketing=False)
try:
    next(load_steps(data, range(5), 0, pin=False, timeout=0.1))
except DataError:
    print("ended")
"""


@pytest.mark.slow
@pytest.mark.parametrize("small", [False, True], ids=["few open files", "and no shared memory"])
def test_a_step_of_a_hundred_micro_batches_arrives(tmp_path, small):
    """Torch by itself opens a file a tensor, and loses what does not fit into `/dev/shm`."""
    (tmp_path / "limited.py").write_text(LIMITED)
    command = [sys.executable, str(tmp_path / "limited.py"), __file__]
    if small:
        mount = "mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "
        command = ["unshare", "-m", "bash", "-c", mount + shlex.join(command)]
        probe = ["unshare", "-m", "bash", "-c", mount + "true"]
        if subprocess.run(probe, capture_output=True).returncode:
            pytest.skip("cannot mount a small /dev/shm here")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("they go through pipes") == small, ended.stderr


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_loader_that_is_stuck_ends_the_run_with_the_reason(workers):
    shape = BatchShape(world_size=1, micro_batch=4)
    stuck = StepData(Stuck(), Tensors(), shape, 0, bucketing=False)
    steps = load_steps(stuck, range(5), workers, pin=False, timeout=0.5)
    with pytest.raises(
        DataError, match=r"prepared no step for 0\.00833 minutes: is the disk or the object"
    ):
        next(steps)


class Raises:
    def samples(self, ks):
        raise TimeoutError("the server did not answer")


def test_without_workers_a_watched_step_is_the_same_as_one_that_is_not():
    shape = BatchShape(world_size=1, micro_batch=4)
    steps = load_steps(data(shape, 0), range(1, 5), 0, pin=False, timeout=60)
    assert [next(steps), next(steps)] == [[[4, 5, 6, 7]], [[8, 9, 10, 11]]]
    with pytest.raises(DataError, match="sample 13 cannot be read"):
        next(steps)


def test_without_workers_an_error_of_the_data_is_raised_as_it_is():
    shape = BatchShape(world_size=1, micro_batch=4)
    failing = StepData(Raises(), Tensors(), shape, 0, bucketing=False)
    with pytest.raises(TimeoutError, match="the server did not answer"):
        next(load_steps(failing, range(5), 0, pin=False, timeout=60))


def test_a_process_whose_read_is_stuck_ends(tmp_path):
    """The thread that waits for the read does not keep it."""
    (tmp_path / "stuck.py").write_text(STUCK)
    command = [sys.executable, str(tmp_path / "stuck.py"), __file__]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.stdout == "ended\n", ended.stderr


def test_shared_memory_without_room_for_a_lock_is_named(monkeypatch):
    class Full:
        def __init__(self, *args, **kwargs):
            pass

        def __iter__(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loader, "DataLoader", Full)
    with pytest.raises(DataError, match=r"/dev/shm is full.*set data\.workers=0"):
        next(load_steps(data(BatchShape(world_size=1, micro_batch=4), 0), [0], 1, pin=False))
