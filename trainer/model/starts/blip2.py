"""Start from BLIP-2 in Hugging Face's layout: stage 2, over the text branch of stage 1.

Stage 2 has no text feed-forward layers and no word embeddings (the paper's authors: take them from
stage 1). The order is LAVIS's: stage 1 first, stage 2 on top, so that self-attention, cross-attention,
queries and the layers for queries are those of stage 2.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import Blip2Config, InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.config.model import FromBlip2
from trainer.errors import ModelError
from trainer.model.parts import qformer_part, vision_part
from trainer.model.starts.assemble import assemble
from trainer.model.starts.configuration import compose
from trainer.model.starts.folders import State, model_folder, read_tensors
from trainer.model.starts.preprocessor import check_preprocessor
from trainer.model.starts.start import TokenizerPair
from trainer.model.starts.tokenizer_files import read_tokenizer, without_image_token
from trainer.model.trained import is_idle

RENAMES = {
    "embeddings.": "qformer.embeddings.",  # stage 1 keeps them outside
    "qformer.layernorm.": "qformer.embeddings.layernorm.",
}
DROPPED = ("vision_projection.", "text_projection.", "itm_head.", "logit_scale", "temp")


@dataclass(frozen=True)
class Blip2Start:
    options: FromBlip2

    def config(self) -> InstructBlipConfig:
        folder = model_folder(self.options.path)
        text_branch = self.options.text_branch
        config = _config(folder, model_folder(text_branch) if text_branch else folder)
        check_preprocessor(folder, cast(int, vision_part(config).image_size))
        return config

    def tokenizers(self) -> TokenizerPair:
        language = read_tokenizer(model_folder(self.options.path))
        if self.options.text_branch is None:
            return TokenizerPair(language, language)  # a Q-Former that reads no text needs none
        qformer = read_tokenizer(model_folder(self.options.text_branch))
        return TokenizerPair(without_image_token(qformer), language)

    def weights(
        self, config: InstructBlipConfig, dtype: torch.dtype
    ) -> InstructBlipForConditionalGeneration:
        return assemble(config, blip2_state(self.options, config), dtype, self.options.path)


def _config(folder: Path, text_branch: Path) -> InstructBlipConfig:
    stage2, stage1 = (Blip2Config.from_pretrained(place) for place in (folder, text_branch))
    if (queries := (stage2.num_query_tokens, stage1.num_query_tokens))[0] != queries[1]:
        raise ModelError(f"{folder} has {queries[0]} query tokens, {text_branch} has {queries[1]}")
    config = compose(
        cast(Any, stage2.text_config).to_dict(),
        vision=cast(Any, stage2.vision_config).to_dict(),
        qformer=cast(Any, stage1.qformer_config).to_dict(),
        image_token=stage2.image_token_index,
    )
    config.num_query_tokens = stage2.num_query_tokens
    return config


def blip2_state(start: FromBlip2, config: InstructBlipConfig) -> State:
    """Lay stage 2's tensors over stage 1's, by InstructBLIP's names.

    Without stage 1 the text branch is zeros, which nothing reads.
    """
    stage2 = renamed(read_tensors(model_folder(start.path)))
    if start.text_branch is None:
        return _no_text_branch(config) | stage2
    return renamed(read_tensors(model_folder(start.text_branch))) | stage2


def _no_text_branch(config: InstructBlipConfig) -> State:
    """Return zeros for the parameters that a Q-Former without text does not use."""
    with torch.device("meta"):
        empty = InstructBlipForConditionalGeneration(config)
    num_layers = qformer_part(config).num_hidden_layers
    return {
        name: torch.zeros(parameter.shape)
        for name, parameter in empty.named_parameters()
        if is_idle(name, num_layers, qformer_instruction=False)
    }


def renamed(state: State) -> State:
    """Rename a BLIP-2 checkpoint's tensors to InstructBLIP's names; contrastive heads are dropped."""
    return {_rename(name): t for name, t in state.items() if not name.startswith(DROPPED)}


def _rename(name: str) -> str:
    for old, new in RENAMES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
