"""Questions of a built dataset as requests of an evaluation: prompts rendered, images decoded."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from datagen.schema.manifest import read_manifest
from datagen.stores.any_files import AnyFiles
from templates.evaluation import Decoding, LanguageModel
from templates.library import load_templates
from trainer.data.reading.record_images import RecordImages
from trainer.evaluation.inference.adapter import ModelInput
from trainer.evaluation.inference.infer import Inference
from trainer.evaluation.tasks.records import SplitRecords
from trainer.evaluation.tasks.tasks import choose_tasks

FILE = "questions.pt"


def build_sample(folder: Path, scenes: int) -> Path:
    """The drawn sample datasets, built with their images by a user's commands."""
    program = Path(sys.executable).with_name("visinstruct")
    raw, out = folder / "raw", folder / "built"
    for arguments in (
        ("sample", "--scenes", str(scenes), "--out", raw),
        ("build", "--raw", raw, "--out", out, "--images", "embed"),
    ):
        subprocess.run([program, *arguments], check=True, capture_output=True)
    return out


@dataclass
class Recorder:
    """Stands in for a model, and keeps its requests."""

    image_side: int
    language_model: LanguageModel = "llama"
    requests: list[ModelInput] = field(default_factory=list)
    decoding: Decoding | None = None

    def generate(self, batch: Sequence[ModelInput], decoding: Decoding) -> list[str]:
        self.requests += batch
        self.decoding = decoding
        return [""] * len(batch)

    def rank(
        self,
        batch: Sequence[ModelInput],
        candidates: Sequence[Sequence[str]],
        *,
        end_token: bool,
    ) -> list[list[float]]:
        raise AssertionError("only written answers are recorded")


def record_questions(
    dataset: Path, tasks: Sequence[str], count: int, side: int, out: Path
) -> dict[str, int]:
    """Write the first `count` questions of each task to a file below `out`; returns how many there are."""
    files = AnyFiles()
    manifest = read_manifest(str(dataset), files)
    chosen = choose_tasks(tasks, load_templates("instruct").protocols, manifest)
    recorded: dict[str, Any] = {}
    for task in chosen.tasks:
        records = SplitRecords(str(dataset), manifest, task.source, task.split, files)
        recorder = Recorder(side)
        inference = Inference(
            task=task,
            adapter=recorder,
            records=records,
            images=RecordImages({}, files),
            vocabulary=None,
            batch_size=count,
        )
        inference.predict(range(min(count, len(records))))
        assert recorder.decoding is not None
        recorded[task.name] = (
            [(each.record_id, each.prompt, each.pixels) for each in recorder.requests],
            recorder.decoding.model_dump(),
        )
    torch.save(recorded, out / FILE)
    return {name: len(requests) for name, (requests, _) in recorded.items()}


def recorded_questions(folder: Path, task: str) -> tuple[list[ModelInput], Decoding]:
    requests, decoding = torch.load(folder / FILE)[task]
    return [ModelInput(*each) for each in requests], Decoding.model_validate(decoding)
