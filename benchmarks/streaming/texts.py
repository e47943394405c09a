"""Without images: order, row and rendering. One pass that reads the shards, one that finds rows cached."""

import time
from typing import Any

from benchmarks.streaming.inputs import TEXTS, batches, data_options
from trainer.data.stream import Stream


def run(source: str, output: str) -> dict[str, Any]:
    stream = Stream.open(data_options(source, TEXTS, output), seed=0)
    total = stream.mixture["vqav2"].size
    seconds = []
    for number in range(2):
        start = time.process_time()
        for ks in batches(total):
            stream.texts(range(ks.start + number * total, ks.stop + number * total))
        seconds.append(time.process_time() - start)
    return {"samples": 2 * total, "first_pass_seconds": seconds[0], "next_pass_seconds": seconds[1]}
