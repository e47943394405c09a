"""Scores of held-in tasks inside of a training run."""

from pathlib import Path

import pytest
import torch

from trainer.config.data import DataOptions
from trainer.config.model import FromNano, ModelOptions
from trainer.config.run import ValidationOptions
from trainer.data.stream import Stream
from trainer.errors import ConfigError
from trainer.evaluation.validation import ScoredValidation
from trainer.launch.distributed import Launch, World
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers

WORLD = World(Launch(0, 1, 0, 1, "127.0.0.1", 0, "none"), torch.device("cpu"))


class Evaluating:
    """As much of an engine as is used."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def evaluating(self) -> "Evaluating":
        return self

    def __enter__(self) -> torch.nn.Module:
        return self.model.eval()

    def __exit__(self, *_: object) -> None:
        self.model.train()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from datagen.sample.write import write_sample
    from pipelines.cli.main import main

    folder = tmp_path_factory.mktemp("held_in")
    write_sample(folder / "raw", num_scenes=40, sources=("vqav2", "aokvqa", "iconqa"))
    arguments = ["--raw", str(folder / "raw"), "--out", str(folder / "data"), "--images", "embed"]
    assert main(["build", *arguments]) == 0
    return folder / "data"


def scored(dataset: Path, tmp_path: Path, stage: int = 2, **options: object) -> ScoredValidation:
    stream = Stream.open(DataOptions(dataset=str(dataset), cache_dir=tmp_path), seed=0)
    model = ModelOptions(init=FromNano(origin="nano"))
    made = ValidationOptions.model_validate({"rows": 12, **options})
    return ScoredValidation(
        stream, build_model(model, 0), load_tokenizers(model), made, 8, WORLD, stage
    )


def test_each_task_is_scored_and_the_mean_is_over_tasks(dataset: Path, tmp_path: Path) -> None:
    validation = scored(dataset, tmp_path, tasks=("vqav2", "aokvqa.multiple_choice"))
    numbers = validation.run(Evaluating(validation._model))  # type: ignore[arg-type]
    assert set(numbers) == {"score", "score.vqav2", "score.aokvqa.multiple_choice"}
    mean = (numbers["score.vqav2"] + numbers["score.aokvqa.multiple_choice"]) / 2
    assert numbers["score"] == pytest.approx(mean)
    assert all(0 <= value <= 100 for value in numbers.values())
    assert validation._model.training
    assert validation.run(Evaluating(validation._model)) == numbers  # type: ignore[arg-type]


def test_held_out_tasks_and_a_divided_model_are_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"validation.tasks: gqa is held out"):
        scored(dataset, tmp_path, tasks=("gqa",))
    for task in ("gqa.lmms_eval", "scienceqa.letters", "iconqa.letters"):
        with pytest.raises(ConfigError, match=rf"validation.tasks: .*{task[:4]}.* is held out"):
            scored(dataset, tmp_path, tasks=("vqav2", task))
    with pytest.raises(ConfigError, match=r"does not go with ZeRO stage 3"):
        scored(dataset, tmp_path, stage=3, tasks=("vqav2",))
