"""Makes the nano model's files from nothing: tokenizer, three stages, weights in 16 bits, record."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from tokenizers import Tokenizer
from torch import Tensor
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from datagen.errors import OutputError
from pipelines.nano.architecture import Shape, make_config, make_model
from pipelines.nano.captioning import TRAINED, pretrain_captioning
from pipelines.nano.language import LanguagePlan, pretrain_language
from pipelines.nano.optimize import Recipe, Say
from pipelines.nano.rows import Writer
from pipelines.nano.vision import pretrain_vision
from pipelines.nano.vocabulary import make_tokenizer
from templates.library import load_templates
from trainer.model.starts.nano.files import FILES, RECORD, file_hash, nano_folder

NUM_THREADS = 1
"""Sums are split among threads, so another number could give other bits."""

FROZEN = ("language_model.", "vision_model.")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Shape of the model, and the steps of each stage."""

    seed: int = 0
    shape: Shape = field(default_factory=Shape)
    language: LanguagePlan = field(default_factory=LanguagePlan)
    vision: Recipe = field(default_factory=lambda: Recipe(steps=400, batch=64, learning_rate=2e-3))
    captioning: Recipe = field(
        default_factory=lambda: Recipe(steps=400, batch=64, learning_rate=2e-3)
    )
    num_images: int = 6000
    """Drawn for the vision stage, and as many again for captioning."""


def make_nano(out: Path, plan: Plan, say: Say) -> dict[str, str]:
    """Write the files of `trainer.model.starts.nano.files.FILES` and their record; returns their hashes.

    Raises:
        OutputError: `out` is no empty folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is not an empty folder: choose another place for the nano model")
    threads = torch.get_num_threads()
    torch.set_num_threads(NUM_THREADS)
    try:
        return _make(out, plan, say)
    finally:
        torch.set_num_threads(threads)


def _make(out: Path, plan: Plan, say: Say) -> dict[str, str]:
    start = time.perf_counter()
    templates = load_templates("instruct")
    tokenizer = make_tokenizer(templates, plan.seed)
    config = make_config(plan.shape, tokenizer.get_vocab_size())
    model = make_model(config, plan.seed)
    writer = Writer(tokenizer, templates, plan.seed)
    losses = pretrain_language(model.language_model, writer, plan.language, say)
    losses["vision"] = pretrain_vision(
        model.vision_model, plan.vision, plan.num_images, plan.seed, say
    )
    in_16_bits(model)  # what is learned from here on is learned for the weights that are shipped
    losses["captioning"] = pretrain_captioning(
        model, tokenizer, plan.captioning, plan.num_images, plan.seed, say
    )
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    hashes = _write(out, model, plan, losses)
    say(f"made in {time.perf_counter() - start:.0f} s")
    return hashes


def _write(
    out: Path,
    model: InstructBlipForConditionalGeneration,
    plan: Plan,
    losses: Mapping[str, float],
) -> dict[str, str]:
    """Configuration, weights, and the record, beside a tokenizer that is there."""
    config = model.config
    config.architectures = ["InstructBlipForConditionalGeneration"]
    (out / "config.json").write_text(config.to_json_string(), encoding="utf-8")
    (out / "frozen.safetensors").write_bytes(weights(model, FROZEN))
    (out / "stage2.safetensors").write_bytes(weights(model, TRAINED))
    hashes = {name: file_hash(out / name) for name in FILES}
    record = {
        "about": "made by visinstruct nano from drawn scenes; nobody's data",
        "plan": asdict(plan),
        "losses": {name: round(loss, 4) for name, loss in losses.items()},
        "parameters": count_parameters(model),
        "template_hash": load_templates("instruct").hash,
        "versions": {name: version(name) for name in ("tokenizers", "torch", "transformers")},
        "sha256": hashes,
    }
    (out / RECORD).write_text(f"{json.dumps(record, indent=2)}\n", encoding="utf-8")
    return hashes


def with_other_queries(out: Path, num_queries: int, say: Say, plan: Plan | None = None) -> None:
    """The shipped frozen parts with a captioning stage of another number of queries.

    For experiments: `init: {from: nano, path: OUT}`.
    """
    plan = plan or Plan()
    shipped = nano_folder()
    tokenizer = Tokenizer.from_file(str(shipped / "tokenizer.json"))
    config = InstructBlipConfig.from_pretrained(shipped)
    config.num_query_tokens = num_queries
    model = make_model(config, plan.seed)
    model.load_state_dict(load_file(shipped / "frozen.safetensors"), strict=False)
    loss = pretrain_captioning(model, tokenizer, plan.captioning, plan.num_images, plan.seed, say)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    _write(out, model, plan, {"captioning": loss})


def in_16_bits(model: InstructBlipForConditionalGeneration) -> None:
    """Round the frozen parts to what their file can hold."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(FROZEN):
                parameter.copy_(parameter.half().float())


def weights(model: InstructBlipForConditionalGeneration, beginnings: tuple[str, ...]) -> bytes:
    """The parameters whose names begin so, as a safetensors file in 16 bits."""
    chosen: Mapping[str, Tensor] = {
        name: tensor.half().contiguous()
        for name, tensor in model.state_dict().items()
        if name.startswith(beginnings) and tensor.is_floating_point()
    }
    return save(dict(chosen), {"format": "pt"})


def count_parameters(model: InstructBlipForConditionalGeneration) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts
