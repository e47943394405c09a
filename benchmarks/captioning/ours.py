"""Scores by our own tokenizer and scorers."""

from pathlib import Path
from typing import Any

from benchmarks.captioning.inputs import PICTURES_FILE
from trainer.evaluation.metrics.captions import score_corpus
from trainer.evaluation.prediction import read_predictions


def run(source: str, output: str) -> dict[str, Any]:
    predictions = list(read_predictions(Path(source, PICTURES_FILE)))
    scores = score_corpus(
        {each.record_id: each.output for each in predictions},
        {each.record_id: each.references or () for each in predictions},
        "own",
    )
    per_picture = scores.per_image.tolist()
    return {
        "cider": scores.cider,
        "bleu": list(scores.bleu),
        "rouge_l": scores.rouge_l,
        "per_picture": per_picture,
    }
