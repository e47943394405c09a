"""Writes answers to recorded questions with nano: in batches, or one by one.

`run(source, output, task, way)` returns the seconds and the texts. The way is a batch size, or
`transformers`: `InstructBlipForConditionalGeneration.generate`, one question after the other, set to
leave its prompt out of the repetition penalty.
"""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor

from benchmarks.answering.questions import recorded_questions
from templates.evaluation import Decoding
from trainer.evaluation.inference.adapter import ModelAdapter, ModelInput
from trainer.evaluation.inference.generation import settings
from trainer.evaluation.inference.loading import load_adapter
from trainer.evaluation.inference.prompts import tokenize
from trainer.model.model import CLIP_MEAN, CLIP_STD


def run(source: str, output: str, task: str, way: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    model = load_adapter("nano", device=torch.device("cpu"))
    requests, decoding = recorded_questions(Path(source), task)
    size = 1 if way == "transformers" else int(way)
    batches = [requests[start : start + size] for start in range(0, len(requests), size)]
    write(model, batches[0], decoding, way)  # warm up
    started = time.perf_counter(), time.process_time()
    texts = [text for batch in batches for text in write(model, batch, decoding, way)]
    seconds, cpu_seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "texts": texts}


def write(model: ModelAdapter, batch: list[ModelInput], decoding: Decoding, way: str) -> list[str]:
    if way != "transformers":
        return model.generate(batch, decoding)
    return [by_transformers(model, each, decoding) for each in batch]


@torch.no_grad()
def by_transformers(model: ModelAdapter, each: ModelInput, decoding: Decoding) -> str:
    tokens = model.tokenizers
    made = tokenize([each.prompt], tokens, for_qformer=True)
    image = [tokens.image_token] * tokens.num_query_tokens
    ids, read = torch.tensor([image + made.language[0]]), torch.tensor(made.qformer)
    penalty = RepetitionPenaltyLogitsProcessor(
        decoding.repetition_penalty, prompt_ignore_length=ids.shape[1]
    )
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    out = model.model.hf.generate(
        pixel_values=(each.pixels.float() / 255 - mean) / std,
        qformer_input_ids=read,
        qformer_attention_mask=torch.ones_like(read),
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        generation_config=settings(model.model, tokens, decoding),
        logits_processor=LogitsProcessorList([penalty]),
    )
    (text,) = tokens.language.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
    return str(text).strip()
