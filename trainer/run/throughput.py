"""Throughput of a run: samples, tokens, and arithmetic as a share of what this device was measured to do."""

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

_MATMUL_SIDE = {"cuda": 8192, "cpu": 1024}
_REPEATS = 5


def measured_matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large square matrix product in `dtype`: the ceiling that MFU is a share of.

    Measured, not read off a data sheet: the best of a few products. 2 n^3 operations each.
    """
    side = _MATMUL_SIDE.get(device.type, 2048)
    one = torch.randn(side, side, device=device, dtype=dtype)
    other = torch.randn(side, side, device=device, dtype=dtype)
    one @ other
    best = float("inf")
    for _ in range(_REPEATS):
        start = _now(device)
        one @ other
        best = min(best, _now(device) - start)
    return 2 * side**3 / best


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held so far: of the GPU's allocator, or resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass
class Meter:
    """Adds up steps since it was last read. Times in seconds."""

    ceiling: float  # FLOP/s of all processes
    samples: int = 0
    tokens: float = 0.0
    flops: float = 0.0
    waited: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def add(self, samples: int, tokens: float, flops: float, waited: float) -> None:
        self.samples += samples
        self.tokens += tokens
        self.flops += flops
        self.waited += waited

    def read(self) -> Mapping[str, float]:
        """Rates since the last call; `data_wait` is the share of the time spent waiting for batches."""
        now = time.perf_counter()
        seconds = max(now - self.started, 1e-9)
        numbers = {
            "samples_per_s": self.samples / seconds,
            "tokens_per_s": self.tokens / seconds,
            "mfu": self.flops / seconds / self.ceiling,
            "data_wait": self.waited / seconds,
        }
        self.samples, self.tokens, self.flops, self.waited = 0, 0.0, 0.0, 0.0
        self.started = now
        return numbers
