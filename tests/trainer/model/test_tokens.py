"""Tokenizers are loaded without weights, agree with the configuration and travel to other processes."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import InstructBlipProcessor

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.model.starts.tokenizers import load_tokenizers


def options_of(folder: Path, **more: object) -> ModelOptions:
    return ModelOptions.model_validate(
        {"init": {"from": "instructblip", "path": str(folder)}, **more}
    )


def test_ids_are_those_of_the_released_processor(tiny_model: Path) -> None:
    tokenizers = load_tokenizers(options_of(tiny_model))
    processor = InstructBlipProcessor.from_pretrained(tiny_model)
    text = "what is it?"
    theirs = processor(text=text)
    assert tokenizers.qformer(text).input_ids == theirs["qformer_input_ids"][0]
    text_ids = tokenizers.language(text, add_special_tokens=False).input_ids
    if tokenizers.is_encoder_decoder:
        assert [*text_ids, tokenizers.eos] == theirs["input_ids"][0]
        assert tokenizers.bos is None
    else:
        assert [tokenizers.bos, *text_ids] == theirs["input_ids"][0]
    assert tokenizers.image_token == processor.tokenizer.convert_tokens_to_ids("<image>")
    assert tokenizers.num_query_tokens == processor.num_query_tokens == 8


def test_they_survive_pickling_and_need_no_weights(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "copy")
    (folder / "model.safetensors").unlink()
    tokenizers = load_tokenizers(options_of(folder))
    copy = pickle.loads(pickle.dumps(tokenizers))
    assert copy.language("red").input_ids == tokenizers.language("red").input_ids
    assert copy.eos == tokenizers.eos


def test_without_an_image_token_the_first_free_id_is_taken(
    tiny_llama: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_token_index": None}))
    tokenizers = load_tokenizers(options_of(folder))
    assert tokenizers.image_token == len(tokenizers.language)


def test_padding_is_any_id_where_the_tokenizer_has_none(tiny_llama: Path) -> None:
    tokenizers = load_tokenizers(options_of(tiny_llama))
    assert tokenizers.language.pad_token_id is None
    assert tokenizers.pad == tokenizers.eos


def test_long_texts_lose_their_beginning(tiny_t5: Path) -> None:
    tokenizers = load_tokenizers(options_of(tiny_t5))
    cut = tokenizers.qformer("abcdef", truncation=True, max_length=4).input_ids
    assert tokenizers.qformer.decode(cut, skip_special_tokens=True) == "ef"


def test_more_instruction_than_the_q_former_has_positions_is_refused(tiny_t5: Path) -> None:
    with pytest.raises(ModelError, match="is 161, but the Q-Former has 160 positions"):
        load_tokenizers(options_of(tiny_t5, max_instruction_tokens=161))


def test_a_folder_without_the_q_formers_tokenizer_is_refused(tiny_t5: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_t5, tmp_path / "copy")
    shutil.rmtree(folder / "qformer_tokenizer")
    with pytest.raises(ModelError, match="qformer_tokenizer holds no tokenizer"):
        load_tokenizers(options_of(folder))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="qformer_droput"):
        ModelOptions.model_validate({"init": {"from": "nano"}, "qformer_droput": 0.1})
    with pytest.raises(ValidationError, match="instructblip"):
        ModelOptions.model_validate({"init": {"from": "llava", "path": "x"}})


def test_nanos_one_tokenizer_opens_the_q_formers_text_alone(
    tiny_llama: Path, tmp_path: Path
) -> None:
    words = ["[PAD]", "</s>", "[UNK]", "[CLS]", "<image>", "red"]
    raw = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    raw.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 3)])
    raw.save(str(tmp_path / "tokenizer.json"))
    config = json.loads((tiny_llama / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"image_token_index": 4}))
    options = ModelOptions.model_validate({"init": {"from": "nano", "path": tmp_path}})
    tokenizers = load_tokenizers(options)
    assert tokenizers.qformer("red").input_ids == [3, 5]
    assert tokenizers.language("red").input_ids == [5]
    ids = (tokenizers.pad, tokenizers.eos, tokenizers.bos, tokenizers.image_token)
    assert ids == (0, 1, None, 4)
