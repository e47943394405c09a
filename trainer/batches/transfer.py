"""A prepared step on its way from the process that made it to the one that trains.

Torch sends each tensor through a file of its own in shared memory: with many micro-batches a process runs out of open
files, and in a container with a small `/dev/shm` the step is lost and the receiver waits for ever. Here the tensors of
a step lie one behind the other in a single block of shared memory, or, where there is no room for it, in a pipe.
"""

import io
import os
import pickle
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (the kernel's, not a folder for temporary files)
_ALIGNMENT = 64


class _Slice(NamedTuple):
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """In bytes."""


@dataclass(frozen=True)
class Packed:
    """An object whose tensors are slices of one block; `unpack` gives it back.

    `block` is uint8 in shared memory, or bytes where that had no room.
    """

    pickled: bytes
    slices: tuple[_Slice, ...]
    block: Tensor | bytearray

    @property
    def is_shared(self) -> bool:
        return isinstance(self.block, Tensor)

    def pin_memory(self) -> "Packed":
        """The same with its block in page-locked memory; called by torch's data loader."""
        return replace(self, block=_as_tensor(self.block).pin_memory())

    def unpack(self) -> Any:
        """The object that was packed; its tensors are views of the block."""
        block = _as_tensor(self.block)
        return _Unpickler(self.pickled, [_view(block, each) for each in self.slices]).load()


def pack(item: Any) -> Packed:
    """Copy the tensors of an object, which are on the CPU, into one block that another process can open."""
    pickler = _Pickler()
    pickler.dump(item)
    slices, end = [], 0
    for tensor in pickler.tensors:
        slices.append(_Slice(tensor.dtype, tuple(tensor.shape), end))
        end += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    block = _shared_block(end)
    target = _as_tensor(block)
    for each, tensor in zip(slices, pickler.tensors, strict=True):
        _view(target, each).copy_(tensor)
    return Packed(pickler.file.getvalue(), tuple(slices), block)


def free_shared_bytes() -> int:
    """The room that is left in shared memory."""
    found = os.statvfs(SHARED_MEMORY)
    return found.f_bavail * found.f_frsize


def _shared_block(num_bytes: int) -> Tensor | bytearray:
    if num_bytes == 0:
        return bytearray()
    try:
        storage = torch.UntypedStorage._new_shared(num_bytes)  # type: ignore[no-untyped-call]
    except (RuntimeError, OSError):  # no room, no open file left, or no shared memory at all
        return bytearray(num_bytes)
    return torch.empty(0, dtype=torch.uint8).set_(storage)


def _as_tensor(block: Tensor | bytearray) -> Tensor:
    if isinstance(block, Tensor):
        return block
    return torch.frombuffer(block or bytearray(1), dtype=torch.uint8)


def _view(block: Tensor, each: _Slice) -> Tensor:
    num_bytes = each.dtype.itemsize * torch.Size(each.shape).numel()
    return block[each.start : each.start + num_bytes].view(each.dtype).view(each.shape)


class _Pickler(pickle.Pickler):
    """Leaves tensors out, and lists them."""

    def __init__(self) -> None:
        self.file = io.BytesIO()
        self.tensors: list[Tensor] = []
        super().__init__(self.file, protocol=pickle.HIGHEST_PROTOCOL)

    def persistent_id(self, item: Any) -> int | None:
        if not isinstance(item, Tensor):
            return None
        self.tensors.append(item)
        return len(self.tensors) - 1


class _Unpickler(pickle.Unpickler):
    """Puts tensors where `_Pickler` left them out. It reads what a process of this run has written."""

    def __init__(self, pickled: bytes, tensors: list[Tensor]) -> None:
        super().__init__(io.BytesIO(pickled))
        self._tensors = tensors

    def persistent_load(self, number: int) -> Tensor:
        return self._tensors[number]
