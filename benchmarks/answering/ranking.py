"""Ranks the candidates of some questions in one of four ways, on the same weights.

`run(source, output, kind, way, count, num_candidates)` returns the seconds and the scores. Only ours shares
what candidates have in common.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.answering.models import IMAGE_TOKEN, NUM_QUERIES, adapter, questions
from trainer.batches.collate import encode, padded
from trainer.evaluation.inference.adapter import ModelAdapter, ModelInput
from trainer.evaluation.inference.prompts import read, tokenize
from trainer.model.model import CLIP_MEAN, CLIP_STD

IGNORED = -100


def run(
    source: str, output: str, kind: str, way: str, count: str, num_candidates: str
) -> dict[str, Any]:
    torch.set_num_threads(1)
    model = adapter(kind, Path(output))
    requests, candidates = questions(model, int(count), int(num_candidates))
    WAYS[way](model, requests[:1], [candidates[0][:4]])  # warm up
    started = time.perf_counter(), time.process_time()
    scores = WAYS[way](model, requests, candidates)
    seconds, cpu_seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "scores": scores}


def ours(
    model: ModelAdapter, requests: list[ModelInput], candidates: list[list[str]]
) -> list[list[float]]:
    return model.rank(requests, candidates, end_token=False)


@torch.no_grad()
def one_by_one(
    model: ModelAdapter, requests: list[ModelInput], candidates: list[list[str]]
) -> list[list[float]]:
    """`InstructBlipForConditionalGeneration.forward` for each candidate."""
    return [
        [_whole_model(model, each, [text])[0] for text in texts]
        for each, texts in zip(requests, candidates, strict=True)
    ]


@torch.no_grad()
def batched(
    model: ModelAdapter, requests: list[ModelInput], candidates: list[list[str]]
) -> list[list[float]]:
    """One forward for each question: image and prompt repeated for every candidate, targets padded."""
    return [
        _whole_model(model, each, texts) for each, texts in zip(requests, candidates, strict=True)
    ]


@torch.no_grad()
def language_model_batched(
    model: ModelAdapter, requests: list[ModelInput], candidates: list[list[str]]
) -> list[list[float]]:
    """Image and queries once; queries and prompt repeated in the language model alone."""
    found = []
    language_model = model.model.hf.language_model
    for each, texts in zip(requests, candidates, strict=True):
        ids, mask = _targets(model, texts)
        made = tokenize([each.prompt], model.tokenizers, for_qformer=True)
        prefix = read([each], made, model.model, model.tokenizers).inputs.expand(len(ids), -1, -1)
        seen = torch.ones(prefix.shape[:2], dtype=torch.long)
        if model.language_model == "t5":
            labels = ids.masked_fill(~mask.bool(), IGNORED)
            logits = language_model(inputs_embeds=prefix, attention_mask=seen, labels=labels).logits
        else:
            embedded = language_model.get_input_embeddings()(ids)
            logits = language_model(
                inputs_embeds=torch.cat([prefix, embedded], 1),
                attention_mask=torch.cat([seen, mask], 1),
            ).logits[:, prefix.shape[1] - 1 : -1]
        found.append(_sums(logits, ids, mask))
    return found


def _whole_model(model: ModelAdapter, each: ModelInput, texts: list[str]) -> list[float]:
    ids, mask = _targets(model, texts)
    made = tokenize([each.prompt], model.tokenizers, for_qformer=True)
    prompt = torch.tensor([[IMAGE_TOKEN] * NUM_QUERIES + made.language[0]]).expand(len(ids), -1)
    read_first = torch.tensor(made.qformer).expand(len(ids), -1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    pixels = (each.pixels.float() / 255 - mean) / std
    given = {
        "pixel_values": pixels.expand(len(ids), -1, -1, -1),
        "qformer_input_ids": read_first,
        "qformer_attention_mask": torch.ones_like(read_first),
    }
    hf = model.model.hf
    if model.language_model == "t5":
        labels = ids.masked_fill(~mask.bool(), IGNORED)
        logits = hf(
            **given, input_ids=prompt, attention_mask=torch.ones_like(prompt), labels=labels
        ).logits
    else:
        seen = torch.cat([torch.ones_like(prompt), mask], 1)
        row = torch.cat([prompt, ids], 1)
        logits = hf(**given, input_ids=row, attention_mask=seen).logits[:, prompt.shape[1] - 1 : -1]
    return _sums(logits, ids, mask)


def _targets(model: ModelAdapter, texts: list[str]) -> tuple[Tensor, Tensor]:
    return padded(encode(model.tokenizers.language, texts, "right", None), 0)


def _sums(logits: Tensor, ids: Tensor, mask: Tensor) -> list[float]:
    chosen = logits.float().log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    sums: list[float] = (chosen * mask).sum(-1).tolist()
    return sums


WAYS: dict[str, Callable[..., list[list[float]]]] = {
    "ours": ours,
    "one_by_one": one_by_one,
    "batched": batched,
    "language_model_batched": language_model_batched,
}
