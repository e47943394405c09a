"""Start from BLIP-2 in Hugging Face's layout: stage 2, over the text branch of stage 1.

Stage 2 has no text feed-forward layers and no word embeddings (the paper's authors: take them from
stage 1). The order is LAVIS's: stage 1 first, stage 2 on top, so that self-attention, cross-attention,
queries and the layers for queries are those of stage 2.
"""

import torch
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from trainer.config.model import FromBlip2
from trainer.model.parts import qformer_part
from trainer.model.starts.folders import State, model_folder, read_tensors
from trainer.model.trained import is_idle

RENAMES = {
    "embeddings.": "qformer.embeddings.",  # stage 1 keeps them outside
    "qformer.layernorm.": "qformer.embeddings.layernorm.",
}
DROPPED = ("vision_projection.", "text_projection.", "itm_head.", "logit_scale", "temp")


def blip2_state(start: FromBlip2, config: InstructBlipConfig) -> State:
    """Tensors of stage 1 under those of stage 2, by InstructBLIP's names.

    Without stage 1 the text branch is zeros, which nothing reads.
    """
    stage2 = renamed(read_tensors(model_folder(start.path)))
    if start.text_branch is None:
        return _no_text_branch(config) | stage2
    return renamed(read_tensors(model_folder(start.text_branch))) | stage2


def _no_text_branch(config: InstructBlipConfig) -> State:
    """What a Q-Former that reads no text does not use, of the configuration's shapes."""
    with torch.device("meta"):
        empty = InstructBlipForConditionalGeneration(config)
    num_layers = qformer_part(config).num_hidden_layers
    return {
        name: torch.zeros(parameter.shape)
        for name, parameter in empty.named_parameters()
        if is_idle(name, num_layers, qformer_instruction=False)
    }


def renamed(state: State) -> State:
    """A BLIP-2 checkpoint's tensors by InstructBLIP's names; its contrastive heads are left out."""
    return {_rename(name): t for name, t in state.items() if not name.startswith(DROPPED)}


def _rename(name: str) -> str:
    for old, new in RENAMES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
