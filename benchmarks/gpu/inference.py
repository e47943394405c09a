"""Generation and ranking in bf16, beside the same models in fp32 on the CPU."""

from pathlib import Path
from typing import Any

import torch

from benchmarks.answering.models import KINDS, adapter, questions
from templates.evaluation import Decoding

NUM_QUESTIONS = 8
SCORE_TOLERANCE = 0.1
"""Largest difference of a candidate's log-probability, as a share of the spread over all of them."""


def run(source: str, output: str, device_name: str) -> dict[str, Any]:
    """Differences of candidates' scores, and the share of texts and first places that agree.

    Texts of random weights branch at the first rounding, so that they are counted, not required.

    Raises:
        SystemExit: a score is off by more than the tolerance, or is not finite.
    """
    found: dict[str, Any] = {}
    worst = 0.0
    for kind in KINDS:
        exact = adapter(kind, Path(output))
        rounded = adapter(kind, Path(output), torch.device(device_name), torch.bfloat16)
        requests, candidates = questions(exact, NUM_QUESTIONS)
        decoding = Decoding(beams=1, max_new_tokens=8)
        texts = [model.generate(requests, decoding) for model in (exact, rounded)]
        scores = [
            torch.tensor(model.rank(requests, candidates, end_token=True))
            for model in (exact, rounded)
        ]
        difference = float((scores[0] - scores[1]).abs().max() / scores[0].std())
        worst = max(worst, difference)
        found[kind] = {
            "same_texts": sum(a == b for a, b in zip(*texts, strict=True)) / len(requests),
            "same_first": float((scores[0].argmax(1) == scores[1].argmax(1)).float().mean()),
            "largest_difference": difference,
        }
    if not worst <= SCORE_TOLERANCE:
        raise SystemExit(f"scores in bf16 differ by up to {worst} of their spread: {found}")
    return {"worst_score": worst, "kinds": found}
