"""The metric as an evaluation calls it, of many images, read one after the other from a samples file."""

from pathlib import Path
from typing import Any

from benchmarks.captioning.inputs import MANY_FILE
from trainer.evaluation.metrics.captions import CiderMetric
from trainer.evaluation.predictions.prediction import read_predictions


def run(source: str, output: str) -> dict[str, Any]:
    scored = CiderMetric(backend="own").score(read_predictions(Path(source, MANY_FILE)))
    return {"cider": scored.measures["cider"].value(), "pictures": len(scored.scores)}
