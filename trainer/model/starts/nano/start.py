"""Start of the miniature model: frozen parts from files, trained parts from captioning or the seed."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.config.model import FromNano
from trainer.errors import ModelError
from trainer.model.starts.configuration import read_config
from trainer.model.starts.folders import State, read_safetensors
from trainer.model.starts.nano.files import nano_files
from trainer.model.starts.nano.tokenizers import nano_tokenizers
from trainer.model.starts.random_weights import random_model
from trainer.model.starts.start import TokenizerPair

FROZEN, CAPTIONED = "frozen.safetensors", "stage2.safetensors"
_FROZEN_PREFIXES = ("language_model.", "vision_model.")


@dataclass(frozen=True)
class NanoStart:
    options: FromNano

    def config(self) -> InstructBlipConfig:
        config = read_config(nano_files(self.options.path) / "config.json")
        config.num_query_tokens = self.options.num_query_tokens or config.num_query_tokens
        return config

    def tokenizers(self) -> TokenizerPair:
        return nano_tokenizers(self.options.path)

    def weights(
        self, config: InstructBlipConfig, dtype: torch.dtype
    ) -> InstructBlipForConditionalGeneration:
        folder = nano_files(self.options.path)
        return nano_model(config, folder, captioned=self.options.captioned)


def nano_model(
    config: InstructBlipConfig, folder: Path, *, captioned: bool = True
) -> InstructBlipForConditionalGeneration:
    """Load the files' parameters; without `captioned` the trained ones are drawn from torch's generator.

    Raises:
        ModelError: a file is missing, or its tensors are not those of the configuration.
    """
    hf = random_model(config)
    _fill(hf, folder / FROZEN, _FROZEN_PREFIXES, read_safetensors(folder / FROZEN))
    if captioned:
        state = read_safetensors(folder / CAPTIONED)
        queries = state.get("query_tokens")
        if queries is not None and queries.shape[1] > config.num_query_tokens:
            state["query_tokens"] = queries[:, : config.num_query_tokens]
        trained = ("query_tokens", "qformer.", "language_projection.")
        _fill(hf, folder / CAPTIONED, trained, state)
    return hf


def _fill(
    hf: InstructBlipForConditionalGeneration, path: Path, prefixes: tuple[str, ...], state: State
) -> None:
    expected = {name for name in hf.state_dict() if name.startswith(prefixes)}
    tied = {name for name in expected - set(state) if _is_tied(hf, name)}
    if wrong := sorted((expected - tied) ^ set(state)):
        raise ModelError(f"{path} does not fit its config.json: {', '.join(wrong)}")
    own = dict(hf.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, tensor in state.items():
            if own[name].shape != tensor.shape:
                shapes = f"{tuple(tensor.shape)}, not {tuple(own[name].shape)}"
                raise ModelError(f"{path} does not fit its config.json: {name} is {shapes}")
            own[name].copy_(tensor)


def _is_tied(module: nn.Module, name: str) -> bool:
    names = {id(p): n for n, p in reversed(list(module.named_parameters(remove_duplicate=False)))}
    parameter = dict(module.named_parameters(remove_duplicate=False)).get(name)
    return parameter is not None and names[id(parameter)] != name
