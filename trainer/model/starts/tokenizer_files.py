"""Tokenizers of a folder in Hugging Face's layout."""

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from trainer.errors import ModelError
from trainer.model.starts.start import TokenizerPair
from trainer.model.tokens import IMAGE

SENTENCEPIECE_FILES = ("tokenizer.model", "spiece.model")
_USED_TOKENS = ("bos_token", "eos_token", "pad_token", "cls_token", "sep_token")


def read_pair(folder: Path) -> TokenizerPair:
    """Read both tokenizers of a folder in InstructBLIP's layout.

    Raises:
        ModelError: one is missing or cannot be read.
    """
    return TokenizerPair(read_tokenizer(folder / "qformer_tokenizer"), read_tokenizer(folder))


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
            f"cannot read the tokenizer of {folder} ({_files(folder)}): "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"the tokenizer of {folder} has no fast form (tokenizer.json)")
    used = {name: getattr(tokenizer, name) for name in _USED_TOKENS}
    blank = [name for name, token in used.items() if token is not None and not token.strip()]
    if blank:
        raise ModelError(
            f"the tokenizer of {folder} has a blank {' and '.join(blank)}, as in old conversions of "
            "LLaMA. Write the token, such as </s>, or null, into its tokenizer_config.json and special_tokens_map.json"
        )
    tokenizer.truncation_side = "left"
    return tokenizer


def without_image_token(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Drop the `<image>` that transformers' `Blip2Processor` adds to any tokenizer that it saves.

    A Q-Former's embeddings have no row for it, and its text never holds one.
    """
    if IMAGE not in tokenizer.get_added_vocab():
        return tokenizer
    raw = json.loads(tokenizer.backend_tokenizer.to_str())
    raw["added_tokens"] = [each for each in raw["added_tokens"] if each["content"] != IMAGE]
    roles = {name: getattr(tokenizer, name) for name in (*_USED_TOKENS, "unk_token", "mask_token")}
    made: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer.from_str(json.dumps(raw)),
        truncation_side=tokenizer.truncation_side,
        **{name: token for name, token in roles.items() if token is not None},
    )
    return made


def _files(folder: Path) -> str:
    """The files that a message names, and for a bare sentencepiece model the package that reads it."""
    found = [name for name in SENTENCEPIECE_FILES if (folder / name).is_file()]
    if found and not (folder / "tokenizer.json").is_file():
        return (
            f"{found[0]}, tokenizer_config.json; is {found[0]} whole? It is read with the package sentencepiece, "
            "0.2.0 or 0.2.1: pip install 'visinstruct[train]'"
        )
    return "tokenizer.json, tokenizer_config.json"
