"""Start from LAVIS's files: its names, its split of vision encoder, Q-Former and language model.

LAVIS saves what it trained: a trimmed InstructBLIP holds Q-Former, queries, projection and `ln_vision`;
the vision encoder is a file of its own (40 blocks, of which the model has 39), and the language model a
Hugging Face folder.
"""

import re
from dataclasses import dataclass

import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import (
    AutoConfig,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from trainer.config.model import FromLavis
from trainer.errors import ModelError
from trainer.model.parts import qformer_part, vision_part
from trainer.model.starts.assemble import assemble
from trainer.model.starts.configuration import compose, read_config
from trainer.model.starts.folders import State, model_folder, read_pickle, read_tensors
from trainer.model.starts.start import TokenizerPair
from trainer.model.starts.tokenizer_files import read_tokenizer

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


@dataclass(frozen=True)
class LavisStart:
    options: FromLavis

    def config(self) -> InstructBlipConfig:
        return _config(self.options)

    def tokenizers(self) -> TokenizerPair:
        qformer = read_tokenizer(
            model_folder(self.options.qformer_tokenizer, "tokenizer_config.json")
        )
        qformer.add_special_tokens({"bos_token": "[DEC]"})  # part of LAVIS's vocabulary
        language = read_tokenizer(model_folder(self.options.language_model))
        return TokenizerPair(qformer, _begin_with_end(language))

    def weights(
        self, config: InstructBlipConfig, dtype: torch.dtype
    ) -> InstructBlipForConditionalGeneration:
        return assemble(config, lavis_state(self.options, config), dtype, str(self.options.path))


def _config(start: FromLavis) -> InstructBlipConfig:
    text = AutoConfig.from_pretrained(model_folder(start.language_model)).to_dict()
    if text.get("is_encoder_decoder"):
        text["dense_act_fn"] = "gelu"  # LAVIS overrides T5's gelu_new
        text.setdefault("decoder_start_token_id", text.get("pad_token_id", 0))
    if start.config is None:
        return compose(text, image_token=None)
    shape = read_config(start.config)
    config = compose(
        text, vision_part(shape).to_dict(), qformer_part(shape).to_dict(), image_token=None
    )
    config.num_query_tokens = shape.num_query_tokens
    return config


def _begin_with_end(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Begin a Vicuna's text with `</s>`, its end-of-sequence token, as LAVIS does.

    A T5's text begins with nothing, so nothing is changed.
    """
    if tokenizer.bos_token is None:
        return tokenizer
    end = str(tokenizer.eos_token)
    tokenizer.bos_token = end
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{end} $A", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    return tokenizer


def lavis_state(start: FromLavis, config: InstructBlipConfig) -> State:
    """Read all files' tensors, by Hugging Face's names; later files overlay earlier ones."""
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
    """Rename LAVIS's tensors to Hugging Face's names; encoder blocks past `num_blocks` are dropped."""
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
