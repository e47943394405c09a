"""Samples with their pixels, as a training process reads them: a second epoch, from the node's cache."""

import time
from pathlib import Path
from typing import Any

from trainer.config.data import DataOptions
from trainer.data.stream import Stream

BATCH = 32


def run(source: str, output: str, dataset: str) -> dict[str, Any]:
    options = DataOptions(
        dataset=dataset, cache_dir=Path(output, "cache"), image_side=224, reserve_rows=0
    )
    stream = Stream.open(options, 0)
    size = sum(part.size for part in stream.mixture.values())
    seconds = [_epoch(stream, number, size) for number in range(3)]
    return {"first_seconds": seconds[0], "later_seconds": min(seconds[1:]), "samples": size}


def _epoch(stream: Stream, number: int, size: int) -> float:
    start = time.perf_counter()
    for first in range(number * size, (number + 1) * size, BATCH):
        stream.samples(range(first, min(first + BATCH, (number + 1) * size)))
    return time.perf_counter() - start
