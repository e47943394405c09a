"""Tokenizers of a folder in Hugging Face's layout."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from trainer.errors import ModelError
from trainer.model.starts.start import TokenizerPair

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
