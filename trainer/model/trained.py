"""Trained parameters: the paper's set, less those that no gradient ever reaches.

The paper trains the Q-Former, its query tokens, the projection and, with LAVIS, the layer norm behind
the vision encoder: 187.3M parameters beside FlanT5-XL to 189.6M beside Vicuna-13B. The feed-forward
layer for text of the *last* Q-Former layer is among them, but its output is thrown away: its gradient
is zero, not absent, so weight decay would shrink it. It stays out of the optimizer.

Names are those of Hugging Face's InstructBLIP.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from torch.nn import Parameter
from transformers import InstructBlipForConditionalGeneration

from trainer.model.parts import qformer_part

PREFIXES = ("query_tokens", "qformer.", "language_projection.", "vision_model.post_layernorm.")

_TEXT_FEED_FORWARD = re.compile(r"qformer\.encoder\.layer\.(\d+)\.(intermediate|output)\.")


class HoldsModel(Protocol):
    """A wrapper of Hugging Face's model, such as `trainer.model.model.Model`."""

    hf: InstructBlipForConditionalGeneration


@dataclass(frozen=True)
class ParameterCounts:
    """Numbers of parameters: the paper's set, those in the optimizer, and the rest of the model."""

    paper: int
    trained: int
    frozen: int


def is_papers(name: str) -> bool:
    return name.startswith(PREFIXES)


def is_idle(name: str, num_layers: int, qformer_instruction: bool = True) -> bool:
    """Return True for a parameter of the paper's set that gets no gradient.

    Without the instruction in the Q-Former none of its text branch does.
    """
    if match := _TEXT_FEED_FORWARD.match(name):
        return not qformer_instruction or int(match[1]) == num_layers - 1
    text = ("qformer.embeddings.word_embeddings.", "qformer.embeddings.position_embeddings.")
    return not qformer_instruction and name.startswith(text)


def mark_trained(
    hf: InstructBlipForConditionalGeneration, qformer_instruction: bool, post_layernorm: bool
) -> None:
    """Set `requires_grad` of every parameter."""
    num_layers = qformer_part(hf.config).num_hidden_layers
    for name, parameter in hf.named_parameters():
        trained = is_papers(name) and not is_idle(name, num_layers, qformer_instruction)
        if name.startswith("vision_model.post_layernorm."):
            trained = post_layernorm
        parameter.requires_grad_(trained)


def trained_parameters(model: HoldsModel) -> dict[str, Parameter]:
    """The parameters of the optimizer by name, in a fixed order."""
    return {name: p for name, p in model.hf.named_parameters() if p.requires_grad}


def count_parameters(model: HoldsModel) -> ParameterCounts:
    """Counts; at ZeRO stage 3 of the whole parameters, not of this rank's part."""
    named = list(model.hf.named_parameters())
    paper = _total(p for name, p in named if is_papers(name))
    everything = _total(p for _, p in named)
    return ParameterCounts(
        paper, _total(p for _, p in named if p.requires_grad), everything - paper
    )


def parameter_groups(model: HoldsModel, weight_decay: float) -> list[dict[str, object]]:
    """Two groups for AdamW: matrices decay; biases and layer norms (at most 1-D) do not, as in LAVIS.

    Query tokens are 3-D and decay. A group that would be empty is left out. Call it before the
    parameters are partitioned: then all have one dimension.
    """
    parameters = list(trained_parameters(model).values())
    groups: list[dict[str, object]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _total(parameters: Iterable[Parameter]) -> int:
    return sum(int(getattr(p, "ds_numel", p.numel())) for p in parameters)
