"""A Hugging Face InstructBLIP from a configuration and tensors by name, every tensor accounted for."""

import re
from typing import Any, cast

import torch
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.errors import ModelError
from trainer.model.quiet import quiet
from trainer.model.starts.folders import State
from trainer.model.trained import is_papers

IGNORED_KEYS = re.compile(
    r"(\.position_ids|\.rotary_emb\.inv_freq"  # buffers that older releases saved
    r"|EncDecAttention\.relative_attention_bias\.weight)$"  # in old T5 files, used by nothing
)
"""Tensors of published checkpoints that the model has no place for."""

NUM_NAMED = 8


def assemble(
    config: InstructBlipConfig, state: State, dtype: torch.dtype, origin: str
) -> InstructBlipForConditionalGeneration:
    """The model of `config` with the tensors of `state`; `origin` names them in errors.

    Frozen parts are in `dtype`; tensors that have it already stay where they are mapped, uncopied.
    The paper's trained set is fp32 to the last bit that the checkpoint has.

    Raises:
        ModelError: tensors are missing, left over, or of another shape.
    """
    state = {name: tensor for name, tensor in state.items() if not IGNORED_KEYS.search(name)}
    _refuse(
        _complain("disagrees in shape (checkpoint, configuration) with", _misshapen(config, state)),
        origin,
    )
    with quiet():
        hf, report = _load(config, state, dtype)
    missing = _complain("lacks", sorted(report["missing_keys"]))
    left_over = _complain(
        "holds what the model has no place for:", sorted(report["unexpected_keys"])
    )
    _refuse([*missing, *left_over], origin)
    for name, parameter in hf.named_parameters():
        if is_papers(name):
            parameter.data = state[name].to(torch.float32, copy=True)
    return hf


def _misshapen(config: InstructBlipConfig, state: State) -> list[str]:
    """Tensors whose shapes are not the configuration's; transformers fails on some of them."""
    with torch.device("meta"), quiet():
        empty = InstructBlipForConditionalGeneration(config)
    expected = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items() if name in expected}
    return [f"{n} {shapes[n]} {expected[n]}" for n in sorted(shapes) if shapes[n] != expected[n]]


def _refuse(complaints: list[str], origin: str) -> None:
    if complaints:
        raise ModelError(f"{origin} {'; it '.join(complaints)}")


def _load(
    config: InstructBlipConfig, state: State, dtype: torch.dtype
) -> tuple[InstructBlipForConditionalGeneration, dict[str, Any]]:
    load = cast(Any, InstructBlipForConditionalGeneration.from_pretrained)
    loaded: tuple[InstructBlipForConditionalGeneration, dict[str, Any]] = load(
        None,
        config=config,
        state_dict=dict(state),
        dtype=dtype,
        output_loading_info=True,
    )
    return loaded


def _complain(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
    return [f"{what} {', '.join(names[:NUM_NAMED])}{more}"]
