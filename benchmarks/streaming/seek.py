"""The order over datasets of the published sizes: opened, then sample 10**7 found, then others."""

import math
import time
from typing import Any

import numpy as np

from trainer.data.order.place import Order, SourceRows

SIZES = {
    "coco_caption": 566_747,
    "web_capfilt": 13_900_000,
    "textcaps": 109_765,
    "vqav2": 443_757,
    "okvqa": 9_009,
    "aokvqa": 17_056,
    "ocr_vqa": 801_579,
    "vqav2_qg": 443_757,
    "okvqa_qg": 9_009,
    "aokvqa_qg": 17_056,
    "llava_conversation": 256_870,
    "llava_detail": 23_240,
    "llava_reasoning": 76_643,
}
"""Records of the paper's training sets; LLaVA's conversations are counted in turns, roughly."""
FACTORS = {"aokvqa": 0.5, "okvqa": 2.0}
ROWS_A_GROUP = 40
FAR = 10**7


def run(source: str, output: str) -> dict[str, Any]:
    weights = {name: math.sqrt(size) * FACTORS.get(name, 1) for name, size in SIZES.items()}
    total = sum(weights.values())
    sources = {
        name: SourceRows(weights[name] / total, np.full(size // ROWS_A_GROUP, ROWS_A_GROUP))
        for name, size in SIZES.items()
    }
    start = time.perf_counter()
    order = Order(sources, seed=0)
    opened = time.perf_counter()
    order.place(FAR)
    first = time.perf_counter()
    far = [_timed(order, k) for k in range(FAR + 1, FAR + 2_001)]
    drift = order.drift(1_000_000)
    return {
        "open_seconds": opened - start,
        "first_seek_seconds": first - opened,
        "worst_seek_seconds": max(far),
        "mean_seek_seconds": sum(far) / len(far),
        "drift_bound": drift.bound,
        "drift_observed": drift.observed,
    }


def _timed(order: Order, k: int) -> float:
    start = time.perf_counter()
    order.place(k)
    return time.perf_counter() - start
