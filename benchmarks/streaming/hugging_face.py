"""InstructBLIP's processor of transformers: Pillow, its image processor, both tokenizers, padding.

Records and texts are read and rendered by our stream, which costs a hundredth of the rest.
"""

import io
from typing import Any

import torch
from PIL import Image
from transformers import BlipImageProcessorPil, InstructBlipProcessor

from benchmarks.streaming.inputs import IMAGES, SIDE, batches, data_options
from benchmarks.streaming.tokens import NUM_QUERY_TOKENS, tokenizers
from trainer.data.stream import Stream


def run(source: str, output: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    stream = Stream.open(data_options(source, IMAGES, output), seed=0)
    tokens = tokenizers(source)
    processor = InstructBlipProcessor(
        BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        tokens.language,
        tokens.qformer,
        num_query_tokens=NUM_QUERY_TOKENS,
    )
    total = stream.mixture["coco_caption"].size
    counted = pixels = 0
    for ks in batches(total):
        samples = stream.texts(ks)
        images = [
            Image.open(io.BytesIO(stream.embedded_images(sample.place)[0])) for sample in samples
        ]
        batch = processor(
            images=images,
            text=[sample.instruction for sample in samples],
            padding=True,
            return_tensors="pt",
        )
        targets = [sample.target for sample in samples]
        labels = tokens.language(targets, padding=True, return_tensors="pt").input_ids
        batch["labels"] = labels.masked_fill(labels == tokens.pad, -100)
        counted += int(batch["attention_mask"].sum())
        pixels += len(batch["pixel_values"])
    return {"samples": pixels, "tokens": counted}
