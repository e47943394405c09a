"""The product: `Stream.samples` and the collator, one thread."""

from typing import Any

import torch

from benchmarks.streaming.inputs import IMAGES, batches, data_options
from benchmarks.streaming.tokens import tokenizers
from trainer.batches.collate import Collator
from trainer.data.reading import resize  # noqa: F401 (an import: not what is measured)
from trainer.data.stream import Stream


def run(source: str, output: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    stream = Stream.open(data_options(source, IMAGES, output), seed=0)
    collate = Collator(tokenizers(source))
    total = stream.mixture["coco_caption"].size
    tokens = pixels = 0
    for ks in batches(total):
        batch = collate(stream.samples(ks))
        tokens += int(batch.attention_mask.sum())
        pixels += len(batch.pixels)
    return {"samples": pixels, "tokens": tokens}
