"""Scores as pycocoevalcap's own `COCOEvalCap` goes: its tokenizer, then its scorers; no METEOR, no SPICE."""

from pathlib import Path
from typing import Any

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from benchmarks.captioning.inputs import IMAGES_FILE, PER_IMAGE_FILE
from trainer.evaluation.predictions.prediction import read_predictions


def run(source: str, output: str) -> dict[str, Any]:
    predictions = list(read_predictions(Path(source, IMAGES_FILE)))
    tokenizer = PTBTokenizer()
    truth = tokenizer.tokenize(
        {
            each.record_id: [{"caption": text} for text in each.references or ()]
            for each in predictions
        }
    )
    found = tokenizer.tokenize({each.record_id: [{"caption": each.output}] for each in predictions})
    cider, per_image = Cider().compute_score(truth, found)
    bleu, _ = Bleu().compute_score(truth, found, verbose=0)
    rouge_l, _ = Rouge().compute_score(truth, found)
    np.save(Path(output, PER_IMAGE_FILE), per_image)
    return {
        "cider": float(cider),
        "bleu": [float(each) for each in bleu],
        "rouge_l": float(rouge_l),
    }
