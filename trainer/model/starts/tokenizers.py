"""The two tokenizers of a model, and what a collator has to know to use them.

A sample's text is put together by the collator, without the tokenizers' own special tokens on the
language model's side:

    decoder-only      [placeholders] bos instruction target eos    (bos where the tokenizer has one)
    encoder-decoder   [placeholders] instruction eos | target eos

The Q-Former's side is its tokenizer's plain output, `[CLS] instruction [SEP]` of BERT. Loading needs no
weights, and the result can be sent to a loader's processes.
"""

from transformers import PreTrainedTokenizerFast

from trainer.config.model import FromRandom, ModelOptions
from trainer.errors import ModelError
from trainer.model.export import check_exportable
from trainer.model.parts import is_encoder_decoder, qformer_part, text_part
from trainer.model.starts.architecture import model_config
from trainer.model.starts.choose import choose_start
from trainer.model.tokens import Tokenizers


def load_tokenizers(options: ModelOptions) -> Tokenizers:
    """Load the tokenizers that belong to a model.

    Raises:
        ModelError: they are missing, or know more tokens than the model has embeddings.
    """
    config = model_config(options)
    qformer, language = choose_start(options.init).tokenizers()
    text, qformer_config = text_part(config), qformer_part(config)
    if qformer is not language:
        _check_size("the Q-Former", qformer, qformer_config.vocab_size)
    if options.max_instruction_tokens > (most := qformer_config.max_position_embeddings):
        raise ModelError(
            f"max_instruction_tokens is {options.max_instruction_tokens}, but the Q-Former has "
            f"{most} positions"
        )
    image_token = config.image_token_index
    image_token = len(language) if image_token is None else image_token
    _check_size("the language model", language, max(text.vocab_size, image_token + 1))
    encoder_decoder = is_encoder_decoder(config)
    if language.eos_token_id is None:
        raise ModelError("the language model's tokenizer has no end-of-sequence token")
    eos = int(language.eos_token_id)
    return Tokenizers(
        qformer=qformer,
        language=language,
        qformer_pad=_first(qformer.pad_token_id, qformer_config.pad_token_id, 0),
        pad=_first(language.pad_token_id, eos),
        bos=None if encoder_decoder else language.bos_token_id,
        eos=eos,
        image_token=image_token,
        num_query_tokens=config.num_query_tokens,
        is_encoder_decoder=encoder_decoder,
        max_instruction_tokens=options.max_instruction_tokens,
        max_target_tokens=options.max_target_tokens,
    )


def load_run_tokenizers(options: ModelOptions) -> Tokenizers:
    """Load the tokenizers of a run, whose model can be exported at its end.

    Random weights with the miniature model's tokenizer standing in are exempt.

    Raises:
        ModelError: as `load_tokenizers`, or an export would be refused.
    """
    tokenizers = load_tokenizers(options)
    if not (isinstance(options.init, FromRandom) and options.init.tokenizers is None):
        check_exportable(tokenizers)
    return tokenizers


def _check_size(part: str, tokenizer: PreTrainedTokenizerFast, num_embeddings: int) -> None:
    if len(tokenizer) > num_embeddings:
        raise ModelError(
            f"the tokenizer of {part} knows {len(tokenizer)} tokens, but its model has embeddings for "
            f"{num_embeddings}; do they belong together?"
        )


def _first(*ids: int | None) -> int:
    return next(value for value in ids if value is not None)
