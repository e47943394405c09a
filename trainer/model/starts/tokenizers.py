"""The two tokenizers of a model, and what a collator has to know to use them.

A sample's text is put together by the collator, without the tokenizers' own special tokens on the
language model's side:

    decoder-only      [placeholders] bos instruction target eos    (bos where the tokenizer has one)
    encoder-decoder   [placeholders] instruction eos | target eos

The Q-Former's side is its tokenizer's plain output, `[CLS] instruction [SEP]` of BERT. Loading needs no
weights, and the result can be sent to a loader's processes.
"""

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from trainer.config.model import (
    FromBlip2,
    FromInstructBlip,
    FromLavis,
    FromNano,
    FromRandom,
    ModelOptions,
)
from trainer.errors import ModelError
from trainer.model.parts import is_encoder_decoder, qformer_part, text_part
from trainer.model.starts.architecture import model_config
from trainer.model.starts.folders import model_folder
from trainer.model.starts.nano import nano_files
from trainer.model.tokens import Tokenizers

NANO_SPECIAL = {
    "pad": ("[PAD]", "<pad>", "PAD"),
    "eos": ("</s>", "[EOS]", "EOS"),
    "unk": ("[UNK]", "<unk>", "UNK"),
    "cls": ("[CLS]", "CLS"),
}
"""How the roles of special tokens may be spelled in a bare `tokenizer.json`."""

_USED_TOKENS = ("bos_token", "eos_token", "pad_token", "cls_token", "sep_token")


def load_tokenizers(options: ModelOptions) -> Tokenizers:
    """The tokenizers that belong to a model.

    Raises:
        ModelError: they are not there, or know more words than the model has embeddings.
    """
    config = model_config(options)
    qformer, language = _load_both(options)
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


def _load_both(options: ModelOptions) -> tuple[PreTrainedTokenizerFast, PreTrainedTokenizerFast]:
    match options.init:
        case FromInstructBlip(path=path):
            folder = model_folder(path)
            return read_tokenizer(folder / "qformer_tokenizer"), read_tokenizer(folder)
        case FromBlip2(path=path, text_branch=text_branch):
            language = read_tokenizer(model_folder(path))
            if text_branch is None:
                return language, language  # a Q-Former that reads no text needs none
            return read_tokenizer(model_folder(text_branch)), language
        case FromLavis(language_model=language_model, qformer_tokenizer=qformer_tokenizer):
            qformer = read_tokenizer(model_folder(qformer_tokenizer, "tokenizer_config.json"))
            qformer.add_special_tokens({"bos_token": "[DEC]"})  # part of LAVIS's vocabulary
            return qformer, _begin_with_end(read_tokenizer(model_folder(language_model)))
        case FromRandom(tokenizers=str(path)):
            folder = model_folder(path, "tokenizer_config.json")
            return read_tokenizer(folder / "qformer_tokenizer"), read_tokenizer(folder)
        case FromNano(path=path):
            return _nano(path), _without_template(_nano(path))
        case FromRandom():
            return _nano(None), _without_template(_nano(None))


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """A folder's tokenizer; texts that are too long lose their beginning.

    Raises:
        ModelError: there is none, or it is none of the fast kind.
    """
    if not (folder / "tokenizer_config.json").is_file():
        raise ModelError(f"{folder} holds no tokenizer (tokenizer_config.json)")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of any kind where tokenizer.json is JSON of another shape
        raise ModelError(
            f"cannot read the tokenizer of {folder} (tokenizer.json, tokenizer_config.json): "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"the tokenizer of {folder} has no fast form (tokenizer.json)")
    used = {name: getattr(tokenizer, name) for name in _USED_TOKENS}
    blank = [name for name, token in used.items() if token is not None and not token.strip()]
    if blank:
        raise ModelError(
            f"the tokenizer of {folder} has a blank {' and '.join(blank)}: old conversions of LLaMA "
            "do. Write the token, such as </s>, or null, into its tokenizer_config.json and special_tokens_map.json"
        )
    tokenizer.truncation_side = "left"
    return tokenizer


def _nano(folder: Path | None) -> PreTrainedTokenizerFast:
    path = nano_files(folder) / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"no such tokenizer: {path}")
    raw = Tokenizer.from_file(str(path))
    names = {
        f"{role}_token": token
        for role, tokens in NANO_SPECIAL.items()
        if (token := next((t for t in tokens if raw.token_to_id(t) is not None), None))
    }
    made: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, truncation_side="left", **names
    )
    return made


def _without_template(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The file's template is the Q-Former's, `[CLS]` first; the language model's text has none."""
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A")
    return tokenizer


def _begin_with_end(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """LAVIS begins a Vicuna's text with `</s>`, its end-of-sequence token.

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


def _check_size(part: str, tokenizer: PreTrainedTokenizerFast, num_embeddings: int) -> None:
    if len(tokenizer) > num_embeddings:
        raise ModelError(
            f"the tokenizer of {part} knows {len(tokenizer)} tokens, but its model has embeddings for "
            f"{num_embeddings}; do they belong together?"
        )


def _first(*ids: int | None) -> int:
    return next(value for value in ids if value is not None)
