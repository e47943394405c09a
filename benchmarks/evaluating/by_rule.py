"""An evaluation whose model answers at once: what is left is reading, inference, saving and scoring."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from templates.evaluation import Decoding
from trainer.evaluation import run as evaluation
from trainer.evaluation.inference.adapter import ModelInput
from trainer.evaluation.report.output import report_results
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.launch.distributed import Launch, World


class ByRule:
    """Says yes; ranks the shortest candidate first."""

    language_model = "t5"
    image_side = 64
    facts: dict[str, Any] = {"name": "by rule", "weights_sha256": "", "dtype": "float32"}  # noqa: RUF012

    def check(self, batch: Sequence[ModelInput], candidates: object, **_: object) -> int:
        """There is always room."""
        return 0

    def generate(self, batch: Sequence[ModelInput], decoding: Decoding) -> list[str]:
        return ["yes" for _ in batch]

    def rank(
        self,
        batch: Sequence[ModelInput],
        candidates: Sequence[Sequence[str]],
        *,
        end_token: bool,
    ) -> list[list[float]]:
        return [[-float(len(text)) for text in row] for row in candidates]


def run(source: str, output: str, task: str) -> dict[str, float]:
    """Evaluate one task of the dataset in `source`, with its report; returns what was scored."""
    evaluation.load_adapter = lambda *_, **__: ByRule()  # type: ignore[assignment]
    options = EvaluationOptions(
        model="by rule",
        data=source,
        tasks=(task,),
        output=Path(output) / "evaluation",
        batch_size=32,
        captions="own",
    )
    launch = Launch(0, 1, 0, 1, "127.0.0.1", 0, "none")
    results = evaluation.run_evaluation(options, World(launch, torch.device("cpu")))
    assert results is not None
    report_results(options, results)
    [found] = results.tasks.values()
    score = found.score
    assert score is not None and score.value is not None
    return {"records": found.num_scored, "score": score.value}
