"""Start from LAVIS's files: its names, its split of vision encoder, Q-Former and language model.

LAVIS saves what it trained: a trimmed InstructBLIP holds Q-Former, queries, projection and `ln_vision`;
the vision encoder is a file of its own (40 blocks, of which the model has 39), and the language model a
Hugging Face folder.
"""

import re

import torch
from torch import Tensor
from transformers import InstructBlipConfig

from trainer.config.model import FromLavis
from trainer.errors import ModelError
from trainer.model.parts import vision_part
from trainer.model.starts.folders import State, model_folder, read_pickle, read_tensors

VISION_PREFIX = "visual_encoder."
LANGUAGE_PREFIXES = ("t5_model.", "llm_model.")

_RENAMES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^visual_encoder\.cls_token$", "vision_model.embeddings.class_embedding"),
        (r"^visual_encoder\.pos_embed$", "vision_model.embeddings.position_embedding"),
        (r"^visual_encoder\.patch_embed\.proj\.", "vision_model.embeddings.patch_embedding."),
        (r"^visual_encoder\.blocks\.", "vision_model.encoder.layers."),
        (r"(layers\.\d+)\.norm([12])\.", r"\1.layer_norm\2."),
        (r"(layers\.\d+)\.attn\.qkv\.", r"\1.self_attn.qkv."),
        (r"(layers\.\d+)\.attn\.proj\.", r"\1.self_attn.projection."),
        (r"^ln_vision\.", "vision_model.post_layernorm."),
        (r"^Qformer\.bert\.", "qformer."),
        (r"^(qformer\.embeddings)\.LayerNorm\.", r"\1.layernorm."),
        (r"^(qformer\..*)\.self\.", r"\1.attention."),
        (r"^(t5|llm)_proj\.", "language_projection."),
    )
]

_DROPPED = re.compile(
    r"^(Qformer\.cls\.|vision_proj\.|text_proj\.|itm_head\.|temp$"  # heads of stage 1
    r"|visual_encoder\.(norm|fc_norm|head)\."  # of the classifier that the encoder once was
    r"|Qformer\.bert\.(pooler\.|embeddings\.token_type_embeddings\.)"
    r"|opt_|.*\.relative_position_index$)"
)


def lavis_state(start: FromLavis, config: InstructBlipConfig) -> State:
    """Tensors of all files by Hugging Face's names; later files overlay earlier ones."""
    state: State = {}
    if start.vision is not None:
        encoder = read_pickle(start.vision)
        state |= {f"{VISION_PREFIX}{name}": tensor for name, tensor in encoder.items()}
    for path in (start.text_branch, start.path):
        if path is not None:
            state |= read_pickle(path)
    trained = convert(state, num_blocks=vision_part(config).num_hidden_layers)
    if not any(name.startswith("vision_model.encoder.") for name in trained):
        raise ModelError(f"{start.path} holds no vision encoder; name LAVIS's file as `vision`")
    if not any(name.startswith("qformer.embeddings.word_embeddings.") for name in trained):
        raise ModelError(
            f"{start.path} lacks the Q-Former's text branch; name stage 1 as `text_branch`"
        )
    language = read_tensors(model_folder(start.language_model))
    return trained | {f"language_model.{name}": tensor for name, tensor in language.items()}


def convert(state: State, num_blocks: int) -> State:
    """LAVIS's tensors by Hugging Face's names, without blocks behind the last that is used."""
    converted = {}
    for name, tensor in _join_biases(state).items():
        if _DROPPED.match(name) or name.startswith(LANGUAGE_PREFIXES):
            continue
        block = re.match(r"visual_encoder\.blocks\.(\d+)\.", name)
        if block is None or int(block[1]) < num_blocks:
            converted[_rename(name)] = tensor
    return converted


def _join_biases(state: State) -> State:
    """EVA has biases of query and value alone; that of the key is zero."""
    joined: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(".q_bias"):
            stem = name.removesuffix("q_bias")
            parts = [tensor, torch.zeros_like(tensor), state[f"{stem}v_bias"]]
            joined[f"{stem}qkv.bias"] = torch.cat(parts)
        elif not name.endswith(".v_bias"):
            joined[name] = tensor
    return joined


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return name
