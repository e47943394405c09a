"""Trains the nano model by the trainer's own command, and scores it on records of validation splits."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from benchmarks.ablations.questions import Request, exact, read_requests, share, with_other_images
from datagen.dataset import BuiltDataset
from datagen.render import draw
from datagen.sources import load_source
from templates.library import TemplateSet
from trainer.batches.collate import Collator
from trainer.config.load import load_config
from trainer.model.export import load_trained
from trainer.model.model import Model
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.run import checkpoint

CONFIG = "configs/nano_cpu.yaml"
HELD_IN = ("vqav2", "okvqa", "aokvqa", "ocr_vqa")
HELD_OUT = ("gqa", "vsr", "iconqa", "scienceqa", "vizwiz", "textvqa")
MOST_QUESTIONS = 250


def train(folder: Path, overrides: Sequence[str]) -> None:
    """One run in one process with one thread; what it prints goes to `folder`.log."""
    command = [sys.executable, "-m", "trainer.train", CONFIG, f"output={folder}", *overrides]
    environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    with folder.with_suffix(".log").open("wb") as log:
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)


def trained_model(folder: Path) -> tuple[Model, Collator]:
    """The model of a run's last checkpoint, and the collator that it was trained with."""
    config = load_config(str(folder / "config.yaml"), [])
    path = checkpoint.newest(folder / "checkpoints", [])
    assert path is not None, f"{folder} holds no checkpoint"
    model = build_model(config.model, config.seed)
    load_trained(model, path / "trained.safetensors")
    reads = config.model.qformer_instruction
    return model.eval(), Collator(load_tokenizers(config.model), instruction_in_qformer=reads)


def read_all(dataset: BuiltDataset, side: int) -> dict[str, list[Request]]:
    """The questions of the validation splits; these images are in no training split."""
    return {
        source: read_requests(dataset, source, "val", MOST_QUESTIONS, side)
        for source in (*HELD_IN, *HELD_OUT)
    }


def in_words_of(
    requests: Sequence[Request], dataset: BuiltDataset, source: str, templates: TemplateSet
) -> list[Request]:
    """The same questions, put as `templates` put them in training."""
    records = {r.record_id: r for r in dataset.records(source, "val")}
    of_source = templates.of(load_source(source).card.prompts)
    found = []
    for each in requests:
        made = draw(records[each.sample.record_id].example(), of_source, 0)
        sample = replace(each.sample, instruction=made.instruction)
        found.append(Request(sample, each.answers, each.question, each.image_path))
    return found


def scores(
    model: Model, collator: Collator, requests: Mapping[str, Sequence[Request]]
) -> dict[str, float]:
    """Return the share answered exactly, by source."""
    return {source: share(exact(model, collator, some)) for source, some in requests.items()}


def shuffled(requests: Mapping[str, Sequence[Request]]) -> dict[str, list[Request]]:
    return {source: with_other_images(some, 0) for source, some in requests.items()}
