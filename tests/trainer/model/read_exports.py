"""Reads exported folders with whichever transformers is installed: `read_exports.py OUT.json FOLDER...`."""

import json
import sys
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

TEXT = "what color is the star?"
LABELS = [[5, 6, 7]]


def read(folder: str) -> dict[str, Any]:
    processor = InstructBlipProcessor.from_pretrained(folder)
    as_saved = InstructBlipForConditionalGeneration.from_pretrained(folder, torch_dtype="auto")
    given: Any = {"torch_dtype": torch.float32}
    model = InstructBlipForConditionalGeneration.from_pretrained(folder, **given).float().eval()
    side = model.config.vision_config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (side + 9, side, 3), dtype=np.uint8)
    inputs = processor(images=Image.fromarray(pixels), text=TEXT, return_tensors="pt")
    decoder_only = model.config.use_decoder_only_language_model
    labels = {} if decoder_only else {"labels": torch.tensor(LABELS)}
    with torch.no_grad():
        logits = model(**inputs, **labels).logits[0]
    written = model.generate(**inputs, max_new_tokens=10, do_sample=False, num_beams=1)[0].tolist()
    prompt = inputs["input_ids"][0].tolist()
    if written[: len(prompt)] == prompt:  # transformers 5 gives it back before what is new
        written = written[len(prompt) :]
    elif decoder_only:
        written = written[1:]  # transformers 4 begins with a token of its own
    return {
        "input_ids": prompt,
        "qformer_input_ids": inputs["qformer_input_ids"][0].tolist(),
        "written": written,
        "text": processor.decode(written, skip_special_tokens=True),
        "pixels": inputs["pixel_values"].flatten().tolist(),
        "logits": logits.flatten().tolist(),
        "dtypes": sorted({str(parameter.dtype) for parameter in as_saved.parameters()}),
    }


if __name__ == "__main__":
    out, *folders = sys.argv[1:]
    torch.set_num_threads(1)
    found = {"version": transformers.__version__, "folders": {f: read(f) for f in folders}}
    with open(out, "w") as file:
        json.dump(found, file)
