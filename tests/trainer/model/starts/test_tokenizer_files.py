"""Tokenizers of folders as publishers ship them: bare sentencepiece models, `<image>` added by a processor."""

import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.model.starts.tokenizer_files import read_tokenizer, without_image_token
from trainer.model.starts.tokenizers import load_run_tokenizers
from trainer.model.tokens import IMAGE

WORDS = [
    "what",
    "is",
    "the",
    "color",
    "of",
    "shape",
    "red",
    "blue",
    "green",
    "circle",
    "square",
    "a",
    "photo",
    "yes",
    "no",
    "left",
    "right",
]
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "LlamaTokenizer": (
        "tokenizer.model",
        {
            "model_type": "bpe",
            "byte_fallback": True,
            "unk_id": 0,
            "bos_id": 1,
            "eos_id": 2,
            "pad_id": -1,
        },
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True},
    ),
    "T5Tokenizer": (
        "spiece.model",
        {"model_type": "unigram", "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
        {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 0},
    ),
}


@pytest.fixture(params=sorted(KINDS))
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a sentencepiece model and no `tokenizer.json`, as lmsys/vicuna-7b-v1.1."""
    name, training, config = KINDS[request.param]
    texts = tmp_path / "texts"
    texts.write_text("\n".join(" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))) + "\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        input=str(texts),
        model_prefix=str(tmp_path / "made"),
        vocab_size=300 if "byte_fallback" in training else 50,
        hard_vocab_limit=False,
        minloglevel=2,
        **training,
    )
    (tmp_path / "made.model").rename(folder / name)
    settings = {"tokenizer_class": request.param, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_a_bare_sentencepiece_model_is_read_as_its_own_library_reads_it(bare: Path) -> None:
    [path] = bare.glob("*.model")
    tokenizer = read_tokenizer(bare)
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    text = "what is the red circle"
    assert tokenizer(text, add_special_tokens=False).input_ids == theirs.encode(text)
    assert tokenizer.eos_token_id == theirs.eos_id()


def test_a_corrupt_sentencepiece_model_is_named_with_the_package(bare: Path) -> None:
    [path] = bare.glob("*.model")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelError, match=rf"{path.name} whole.*package sentencepiece"):
        read_tokenizer(bare)


def test_the_image_token_of_a_processor_is_dropped_and_ids_stay(tiny: Any) -> None:
    plain, added = tiny.qformer_tokenizer(), tiny.qformer_tokenizer()
    added.add_special_tokens({"bos_token": "[DEC]"})
    plain.add_special_tokens({"bos_token": "[DEC]"})
    added.add_tokens([IMAGE], special_tokens=True)
    dropped = without_image_token(added)
    assert len(dropped) == len(plain) == len(added) - 1
    assert dropped.get_vocab() == plain.get_vocab()
    for text in ("a red circle", "an <image> [SEP]"):
        wanted = plain(text, split_special_tokens=True).input_ids
        assert dropped(text, split_special_tokens=True).input_ids == wanted
    for role in ("pad_token_id", "cls_token_id", "sep_token_id", "unk_token_id", "bos_token_id"):
        assert getattr(dropped, role) == getattr(plain, role)


def released(folder: Path) -> ModelOptions:
    return ModelOptions.model_validate({"init": {"from": "instructblip", "path": str(folder)}})


def test_a_run_whose_image_token_is_not_the_tokenizers_is_refused_at_its_start(
    tiny: Any, tmp_path: Path
) -> None:
    folder = tiny.save("llama", tmp_path / "base")
    assert load_run_tokenizers(released(folder)).image_token == 259
    config = json.loads((folder / "config.json").read_text())
    config["image_token_index"] = config["image_token_id"] = 263
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ModelError, match=r"<image> is 259, .* 263: .* Set image_token_index to 259"
    ):
        load_run_tokenizers(released(folder))


def test_a_run_whose_processor_would_begin_a_text_otherwise_is_refused_at_its_start(
    tiny: Any, tmp_path: Path
) -> None:
    folder = tiny.save("llama", tmp_path / "base")
    path = folder / "tokenizer.json"
    raw = json.loads(path.read_text()) | {"post_processor": None}
    path.write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="would begin or end a prompt otherwise"):
        load_run_tokenizers(released(folder))
