"""Scores by our own tokenizer and scorers."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.captioning.inputs import IMAGES_FILE, PER_IMAGE_FILE
from trainer.evaluation.metrics.captions import score_corpus
from trainer.evaluation.predictions.prediction import read_predictions


def run(source: str, output: str) -> dict[str, Any]:
    predictions = list(read_predictions(Path(source, IMAGES_FILE)))
    scores = score_corpus(
        {each.record_id: each.output for each in predictions},
        {each.record_id: each.references or () for each in predictions},
        "own",
    )
    np.save(Path(output, PER_IMAGE_FILE), scores.per_image)
    return {"cider": scores.cider, "bleu": list(scores.bleu), "rouge_l": scores.rouge_l}
