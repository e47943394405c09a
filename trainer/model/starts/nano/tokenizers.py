"""The miniature model's tokenizers: one vocabulary, two templates."""

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from trainer.errors import ModelError
from trainer.model.starts.nano.files import nano_files
from trainer.model.starts.start import TokenizerPair

SPECIAL = {
    "pad": ("[PAD]", "<pad>", "PAD"),
    "eos": ("</s>", "[EOS]", "EOS"),
    "unk": ("[UNK]", "<unk>", "UNK"),
    "cls": ("[CLS]", "CLS"),
}
"""Spellings of special tokens in a bare `tokenizer.json`, by role."""


def nano_tokenizers(folder: Path | None) -> TokenizerPair:
    """Load the tokenizer of a nano folder, None for the shipped one, once for each text input.

    Raises:
        ModelError: the file is missing.
    """
    return TokenizerPair(_read(folder), _without_template(_read(folder)))


def _read(folder: Path | None) -> PreTrainedTokenizerFast:
    path = nano_files(folder) / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"no such tokenizer: {path}")
    raw = Tokenizer.from_file(str(path))
    names = {
        f"{role}_token": token
        for role, tokens in SPECIAL.items()
        if (token := next((t for t in tokens if raw.token_to_id(t) is not None), None))
    }
    made: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, truncation_side="left", **names
    )
    return made


def _without_template(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Drop the file's template, `[CLS]` first, which is the Q-Former's."""
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A")
    return tokenizer
