"""Start of the miniature model: frozen parts from files, trained parts from the seed."""

from pathlib import Path

from torch import nn
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.errors import ModelError
from trainer.model.folders import read_safetensors
from trainer.model.random_weights import random_model

FROZEN = "frozen.safetensors"


def nano_files(folder: Path | None) -> Path:
    """The folder of `config.json`, `tokenizer.json` and `frozen.safetensors`: ours, or another."""
    if folder is not None:
        return folder
    from trainer.nano.files import nano_folder

    return nano_folder()


def nano_model(config: InstructBlipConfig, folder: Path) -> InstructBlipForConditionalGeneration:
    """Random parameters under the files' ones, which are all of vision encoder and language model.

    Raises:
        ModelError: a file is missing, or its tensors are not those of the configuration.
    """
    hf = random_model(config)
    state = read_safetensors(folder / FROZEN)
    frozen = hf.state_dict()
    expected = {name for name in frozen if name.startswith(("language_model.", "vision_model."))}
    tied = {name for name in expected - set(state) if _is_tied(hf, name)}
    if wrong := sorted(expected - tied ^ set(state)):
        raise ModelError(f"{folder / FROZEN} does not fit its config.json: {', '.join(wrong)}")
    try:
        hf.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{folder / FROZEN} does not fit its config.json: {error}") from error
    return hf


def _is_tied(module: nn.Module, name: str) -> bool:
    names = {id(p): n for n, p in reversed(list(module.named_parameters(remove_duplicate=False)))}
    parameter = dict(module.named_parameters(remove_duplicate=False)).get(name)
    return parameter is not None and names[id(parameter)] != name
