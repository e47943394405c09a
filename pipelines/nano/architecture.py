"""The nano model's shape: InstructBLIP with a few hundred thousand parameters a part."""

from dataclasses import dataclass

import torch
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
)

from pipelines.nano.vocabulary import EOS, IMAGE, PAD, START

IMAGE_SIDE = 48
PATCH_SIDE = 16
"""A patch is a cell of the sample's scenes."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Widths and depths of the three parts."""

    vision_width: int = 96
    vision_layers: int = 3
    qformer_width: int = 128
    qformer_layers: int = 2
    language_width: int = 128
    language_layers: int = 3
    num_queries: int = 8
    num_heads: int = 4
    max_instruction_tokens: int = 256
    max_tokens: int = 1024


def make_config(shape: Shape, vocabulary_size: int) -> InstructBlipConfig:
    """The configuration in Hugging Face's form.

    `InstructBlipVisionConfig` starts from weights of 1e-10 unless `initializer_range` is set, which train to
    nothing in a few hundred steps.
    """
    vision = InstructBlipVisionConfig(
        hidden_size=shape.vision_width,
        intermediate_size=2 * shape.vision_width,
        num_hidden_layers=shape.vision_layers,
        num_attention_heads=shape.num_heads,
        image_size=IMAGE_SIDE,
        patch_size=PATCH_SIDE,
        initializer_range=0.02,
    )
    qformer = InstructBlipQFormerConfig(
        vocab_size=vocabulary_size,
        hidden_size=shape.qformer_width,
        intermediate_size=2 * shape.qformer_width,
        num_hidden_layers=shape.qformer_layers,
        num_attention_heads=shape.num_heads,
        max_position_embeddings=shape.max_instruction_tokens,
        cross_attention_frequency=1,
        encoder_hidden_size=shape.vision_width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=PAD,
    )
    language = LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=shape.language_width,
        intermediate_size=2 * shape.language_width,
        num_hidden_layers=shape.language_layers,
        num_attention_heads=shape.num_heads,
        max_position_embeddings=shape.max_tokens,
        initializer_range=0.05,
        pad_token_id=PAD,
        bos_token_id=START,
        eos_token_id=EOS,
    )
    return InstructBlipConfig(
        vision_config=vision.to_dict(),
        qformer_config=qformer.to_dict(),
        text_config=language.to_dict(),
        num_query_tokens=shape.num_queries,
        image_token_index=IMAGE,
    )


def make_model(config: InstructBlipConfig, seed: int) -> InstructBlipForConditionalGeneration:
    """A model with new weights; queries are drawn, since Hugging Face leaves them zero and equal."""
    torch.manual_seed(seed)
    model = InstructBlipForConditionalGeneration(config)
    with torch.no_grad():
        model.query_tokens.normal_(0.0, 0.02)
    return model
