"""Parts of an InstructBLIP configuration, with the types that transformers leaves out."""

from typing import Any, cast

from transformers import InstructBlipConfig, InstructBlipQFormerConfig, InstructBlipVisionConfig


def vision_part(config: InstructBlipConfig) -> InstructBlipVisionConfig:
    return cast(InstructBlipVisionConfig, config.vision_config)


def qformer_part(config: InstructBlipConfig) -> InstructBlipQFormerConfig:
    return cast(InstructBlipQFormerConfig, config.qformer_config)


def text_part(config: InstructBlipConfig) -> Any:
    """A T5Config or a LlamaConfig, whose fields differ."""
    return config.text_config


def is_encoder_decoder(config: InstructBlipConfig) -> bool:
    return not bool(cast(Any, config).use_decoder_only_language_model)
