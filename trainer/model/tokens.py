"""Tokenizers of a model, and the ids that a collator needs."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

IMAGE = "<image>"
"""The placeholder's text, as Hugging Face's processor has it."""


@dataclass(frozen=True, kw_only=True)
class Tokenizers:
    """Tokenizers and ids. `image_token` fills `num_query_tokens` places a frame before the text.

    `pad` and `qformer_pad` may be any ids: padding is masked. `bos` is None where the language model's
    text begins with none.
    """

    qformer: PreTrainedTokenizerFast
    language: PreTrainedTokenizerFast
    qformer_pad: int
    pad: int
    bos: int | None
    eos: int
    image_token: int
    num_query_tokens: int
    is_encoder_decoder: bool
    max_instruction_tokens: int
    max_target_tokens: int
