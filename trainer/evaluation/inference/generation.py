"""Generation: greedy decoding or beam search of transformers, from the prefix of `prompts`.

Nothing is taken over from the generation settings that a checkpoint comes with: Vicuna's sample, others
stop at a length of 20. As in LAVIS, where the language model gets embeddings and no ids of the prompt, the
repetition penalty looks at what was generated alone; `InstructBlipForConditionalGeneration.generate` of
today's transformers counts a decoder's prompt and its image placeholders as well. LAVIS turns a Vicuna's
pads (0) into its end token before it decodes; here a text ends at its end token anyway.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from transformers import (
    Cache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)

from templates.evaluation import Decoding, LanguageModel
from trainer.errors import EvaluationError
from trainer.evaluation.inference.beam_cache import beams_in_one_row
from trainer.evaluation.inference.prompts import Prefix
from trainer.model.model import Model
from trainer.model.quiet import quiet
from trainer.model.tokens import Tokenizers

_make_settings = cast(Callable[..., GenerationConfig], GenerationConfig)  # it has no types


@torch.no_grad()
def generate(model: Model, tokens: Tokenizers, prefix: Prefix, decoding: Decoding) -> list[str]:
    """Generate a text for each row of `prefix`, without special tokens and surrounding white space.

    Raises:
        EvaluationError: the logits are NaN; names the record.
    """
    language_model = cast(Any, model.hf.language_model)
    watch = _NonFiniteWatch()
    with (
        quiet(),
        _no_settings_of_its_own(language_model),
        _cache(model, prefix, decoding.beams) as cache,
    ):
        rows: Tensor = language_model.generate(
            inputs_embeds=prefix.inputs,
            attention_mask=prefix.mask,
            generation_config=settings(model, tokens, decoding),
            logits_processor=_processors(decoding, watch),
            past_key_values=cache,
        )
    watch.check(prefix, decoding.beams)
    texts = tokens.language.batch_decode(
        [_written(row, tokens) for row in rows.tolist()], skip_special_tokens=True
    )
    return [text.strip() for text in texts]


@contextmanager
def _cache(model: Model, prefix: Prefix, num_beams: int) -> Iterator[Cache | None]:
    """Give the cache of the prompts; None for an encoder-decoder."""
    if model.is_encoder_decoder:
        yield None
        return
    with beams_in_one_row(model, prefix, num_beams) as cache:
        yield cache


def settings(model: Model, tokens: Tokenizers, decoding: Decoding) -> GenerationConfig:
    """All that decides about the text, but for the repetition penalty."""
    kind: LanguageModel = "t5" if model.is_encoder_decoder else "llama"
    config = _make_settings(
        do_sample=False,
        num_beams=decoding.beams,
        num_return_sequences=1,
        min_new_tokens=decoding.min_new_tokens,
        max_new_tokens=decoding.most_new_tokens(kind),
        pad_token_id=tokens.pad,
        eos_token_id=tokens.eos,
        bos_token_id=tokens.bos,
        use_cache=True,
    )
    if decoding.beams > 1:
        config.early_stopping = False
        config.length_penalty = decoding.penalty(kind)
    if model.is_encoder_decoder:
        language_model = cast(Any, model.hf.language_model)
        config.decoder_start_token_id = language_model.config.decoder_start_token_id
    return config


def _processors(decoding: Decoding, watch: "_NonFiniteWatch") -> LogitsProcessorList:
    """The repetition penalty, then the watch.

    Given the penalty as a setting, transformers (5.23) would spare the first tokens of a padded row, as
    many as the row has padding: it takes what was generated for the prompt if it knows no ids of that.
    """
    if decoding.repetition_penalty == 1:
        return LogitsProcessorList([watch])
    return LogitsProcessorList(
        [RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty), watch]
    )


def _written(row: list[int], tokens: Tokenizers) -> list[int]:
    """A row up to its end token, without the token that an encoder-decoder starts from."""
    row = row[1:] if tokens.is_encoder_decoder else row
    return row[: row.index(tokens.eos)] if tokens.eos in row else row


@contextmanager
def _no_settings_of_its_own(language_model: Any) -> Iterator[None]:
    """Transformers fills what a configuration leaves open with the checkpoint's settings."""
    own = language_model.generation_config
    language_model.generation_config = _make_settings()
    try:
        yield
    finally:
        language_model.generation_config = own


class _NonFiniteWatch(LogitsProcessor):
    """Remembers rows with NaN scores; waits for the device once, at the end."""

    def __init__(self) -> None:
        self.wrong: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        wrong = scores.isnan().any(-1)
        self.wrong = wrong if self.wrong is None else self.wrong | wrong
        return scores

    def check(self, prefix: Prefix, num_beams: int) -> None:
        if self.wrong is None or not bool(self.wrong.any()):
            return
        row = int(self.wrong.nonzero()[0]) // num_beams
        raise EvaluationError(
            f"the language model's output for record {prefix.record_ids[row]} is NaN; evaluate in float32, or "
            "check its weights"
        )
