"""`visinstruct export`, from a checkpoint as the trainer writes it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
)

from pipelines.cli.main import main
from trainer.config.model import ModelOptions
from trainer.model.starts.build import build_model
from trainer.model.trained import trained_parameters
from trainer.run.checkpoint import RunState, mark_best, save
from trainer.run.fingerprint import frozen_fingerprint

PART = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model in the miniature model's layout."""
    folder = tmp_path / "base"
    config = InstructBlipConfig(
        vision_config=PART | {"image_size": 16, "patch_size": 8},
        qformer_config=PART | {"vocab_size": 8, "max_position_embeddings": 128},
        text_config=PART | {"model_type": "llama", "vocab_size": 8},
        num_query_tokens=2,
        image_token_index=4,
    )
    config.save_pretrained(folder)
    state = InstructBlipForConditionalGeneration(config).state_dict()
    frozen = {n: t for n, t in state.items() if n.startswith(("vision_model.", "language_model."))}
    save_file(frozen, folder / "frozen.safetensors")
    words = ["[PAD]", "</s>", "[UNK]", "[CLS]", "<image>", "what", "is", "red"]
    raw = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    raw.pre_tokenizer = Whitespace()
    raw.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def run_folder(base: Path, tmp_path: Path) -> Path:
    """A run with checkpoints of steps 1 and 2, of which the first is the best."""
    section = {"init": {"from": "nano", "path": str(base), "captioned": False}}
    model = build_model(ModelOptions.model_validate(section), seed=3)
    folder = tmp_path / "run" / "checkpoints"
    for step in (1, 2):
        state = {
            name: {
                "weight": torch.full_like(p, step).detach(),
                "exp_avg": torch.zeros_like(p),
                "exp_avg_sq": torch.zeros_like(p),
            }
            for name, p in trained_parameters(model).items()
        }
        fingerprint = {
            "seed": 3,
            "frozen": frozen_fingerprint(model),
            "data": {"content_hash": "abc"},
        }
        state_of_run = RunState(
            step=step, next_sample=step * 8, replaced=0, fingerprint=fingerprint, files={}
        )
        save(folder, state, state_of_run)
    mark_best(folder, folder / "step-00000001")
    config = {
        "name": "run",
        "output": "run",
        "seed": 3,
        "model": section,
        "data": {"dataset": "x"},
        "batch": {"global_size": 8, "micro_size": 8},
    }
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "run"


def exported_value(out: Path) -> float:
    model = InstructBlipForConditionalGeneration.from_pretrained(out)
    assert model.query_tokens.unique().numel() == 1
    return model.query_tokens.flatten()[0].item()


def test_a_runs_best_checkpoint_is_exported(
    run_folder: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(run_folder), "--out", str(out)]) == 0
    assert "step-00000001" in "".join(capsys.readouterr().out.split())
    assert exported_value(out) == 1
    frozen = load_file(base / "frozen.safetensors")
    written = load_file(out / "model.safetensors")
    name = "language_model.lm_head.weight"
    assert torch.equal(written[name], frozen[name])
    processor = InstructBlipProcessor.from_pretrained(out)
    assert processor.num_query_tokens == 2
    assert json.loads((out / "config.json").read_text())["image_token_index"] == 4
    card = (out / "README.md").read_text()
    assert "| step | 1 |" in card and "| data content hash | abc |" in card


def test_without_a_best_one_the_newest_is_exported(run_folder: Path, tmp_path: Path) -> None:
    (run_folder / "checkpoints" / "best").unlink()
    assert main(["export", str(run_folder), "--out", str(tmp_path / "out")]) == 0
    assert exported_value(tmp_path / "out") == 2


def test_a_checkpoint_can_be_named_itself(run_folder: Path, tmp_path: Path) -> None:
    step = run_folder / "checkpoints" / "step-00000002"
    assert main(["export", str(step), "--out", str(tmp_path / "out")]) == 0
    assert exported_value(tmp_path / "out") == 2


def test_a_folder_without_checkpoints_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "is not a checkpoint, and holds no checkpoints/step-*" in capsys.readouterr().err


def test_a_base_model_may_have_moved(run_folder: Path, base: Path, tmp_path: Path) -> None:
    base.rename(tmp_path / "moved")
    arguments = ["export", str(run_folder), f"model.init.path={tmp_path / 'moved'}"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert exported_value(tmp_path / "out") == 1


def test_another_base_model_is_refused(
    run_folder: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = base / "frozen.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(path).items()}, path)
    assert main(["export", str(run_folder), "--out", str(tmp_path / "out")]) == 2
    assert "was trained on other frozen weights" in capsys.readouterr().err


def test_a_checkpoint_alone_needs_the_configuration_named(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = shutil.copytree(
        run_folder / "checkpoints" / "step-00000002", tmp_path / "a" / "b" / "c"
    )
    arguments = ["export", str(alone), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert (
        f"no such configuration file: {tmp_path / 'a' / 'config.yaml'}" in capsys.readouterr().err
    )
    assert main([*arguments, "--config", str(run_folder / "config.yaml")]) == 0
    assert exported_value(tmp_path / "out") == 2


def test_a_base_model_that_has_gone_is_named(
    run_folder: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(base)
    assert main(["export", str(run_folder), "--out", str(tmp_path / "out")]) == 2
    assert f"no such file: {base / 'config.json'}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
