"""Exported folders are read by transformers alone and compute what the trainer computes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.model.batch import IGNORED, Batch
from trainer.model.export import export, load_trained, make_room
from trainer.model.model import Model
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.tokens import Tokenizers
from trainer.model.trained import trained_parameters

MakeBatch = Callable[..., Batch]
TEXTS = [("what is it?", "a cat")]


def load(folder: Path, **more: object) -> tuple[Model, Tokenizers]:
    init = {"from": "instructblip", "path": str(folder)}
    options = ModelOptions.model_validate({"init": init, **more})
    return build_model(options, seed=0).eval(), load_tokenizers(options)


def train_a_little(model: Model) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in trained_parameters(model).values():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)


def reread(
    out: Path, batch: Batch, dtype: torch.dtype | str
) -> tuple[torch.Tensor, InstructBlipForConditionalGeneration]:
    """Logits of the exported model for the batch's first sample, whose text and image its processor prepared."""
    processor: Any = InstructBlipProcessor.from_pretrained(out)
    hf = InstructBlipForConditionalGeneration.from_pretrained(out, dtype=dtype).eval()
    assert batch.pixels is not None
    image = Image.fromarray(batch.pixels[0].permute(1, 2, 0).numpy().astype(np.uint8))
    inputs = processor(images=image, text=TEXTS[0][0], return_tensors="pt")
    answer = batch.labels[batch.labels != IGNORED][None]
    if hf.config.use_decoder_only_language_model:
        inputs["input_ids"] = torch.cat([inputs["input_ids"], answer], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.no_grad():
            logits = hf(**inputs).logits[0, -answer.shape[1] - 1 : -1]
    else:
        with torch.no_grad():
            logits = hf(**inputs, labels=answer).logits[0]
    return logits, hf


def test_logits_of_the_folder_are_the_trainers(
    tiny_model: Path, make_batch: MakeBatch, tmp_path: Path
) -> None:
    model, tokenizers = load(tiny_model)
    train_a_little(model)
    batch = make_batch(tokenizers, TEXTS)
    with torch.no_grad():
        wanted, _, _ = model.predict(batch)
    export(model, tokenizers, "# a card\n", tmp_path / "out")
    logits, _ = reread(tmp_path / "out", batch, torch.float32)
    torch.testing.assert_close(logits, wanted, atol=2e-5, rtol=1e-5)
    assert (tmp_path / "out" / "README.md").read_text() == "# a card\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_frozen_parts_in_bf16_are_read_in_bf16_unless_asked_otherwise(
    tiny_model: Path, make_batch: MakeBatch, tmp_path: Path
) -> None:
    model, tokenizers = load(tiny_model, frozen_dtype="bfloat16")
    train_a_little(model)
    trained = {name: p.detach().clone() for name, p in trained_parameters(model).items()}
    batch = make_batch(tokenizers, TEXTS)
    export(model, tokenizers, "", tmp_path / "out")
    _, plain = reread(tmp_path / "out", batch, "auto")
    assert plain.language_projection.weight.dtype is torch.bfloat16
    logits, exact = reread(tmp_path / "out", batch, torch.float32)
    for name, value in trained.items():
        torch.testing.assert_close(exact.get_parameter(name), value, atol=0, rtol=0)
    with torch.no_grad():
        wanted, _, _ = model.float().predict(batch)
    torch.testing.assert_close(logits, wanted, atol=2e-5, rtol=1e-5)


def test_facts_stand_under_their_names_of_transformers_4_too(
    tiny_model: Path, tmp_path: Path
) -> None:
    """The slow test of `test_export_in_transformers_4.py` reads them there."""
    model, tokenizers = load(tiny_model, frozen_dtype="bfloat16")
    out = tmp_path / "out"
    export(model, tokenizers, "", out)
    config = json.loads((out / "config.json").read_text())
    text = config["text_config"]
    assert config["torch_dtype"] == config["dtype"] == "bfloat16"
    assert text["architectures"] == [type(model.hf.language_model).__name__]
    if text["model_type"] == "t5":
        assert text["tie_word_embeddings"] is text["scale_decoder_outputs"] is False
    else:
        assert text["rope_theta"] == text["rope_parameters"]["rope_theta"]
    for folder in (out, out / "qformer_tokenizer"):
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "image_processor" not in json.loads((out / "processor_config.json").read_text())


def test_it_can_be_trained_on_from_there(tiny_model: Path, tmp_path: Path) -> None:
    model, tokenizers = load(tiny_model)
    train_a_little(model)
    export(model, tokenizers, "", tmp_path / "out")
    again, same = load(tmp_path / "out")
    for name, parameter in trained_parameters(again).items():
        torch.testing.assert_close(parameter, model.hf.get_parameter(name), atol=0, rtol=0)
    ids = ("pad", "bos", "eos", "image_token", "num_query_tokens", "is_encoder_decoder")
    assert [getattr(same, n) for n in ids] == [getattr(tokenizers, n) for n in ids]


def test_generation_stops_at_the_end_token(
    tiny_llama: Path, make_batch: MakeBatch, tmp_path: Path
) -> None:
    model, tokenizers = load(tiny_llama)
    model.hf.config.text_config.eos_token_id = 77  # as odd as some released configurations
    export(model, tokenizers, "", tmp_path / "out")
    _, hf = reread(tmp_path / "out", make_batch(tokenizers, TEXTS), torch.float32)
    assert hf.language_model.generation_config.eos_token_id == tokenizers.eos
    assert hf.generation_config.eos_token_id == tokenizers.eos


def test_an_encoder_decoder_continues_texts_of_different_length_together_as_alone(
    tiny_t5: Path, tmp_path: Path
) -> None:
    model, tokenizers = load(tiny_t5)
    export(model, tokenizers, "", tmp_path / "out")
    processor: Any = InstructBlipProcessor.from_pretrained(tmp_path / "out")
    hf = InstructBlipForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    image = Image.new("RGB", (28, 28), (200, 30, 90))

    def written(*texts: str) -> list[list[int]]:
        inputs = processor(
            images=[image] * len(texts), text=list(texts), padding=True, return_tensors="pt"
        )
        ids = hf.generate(**inputs, max_new_tokens=6, min_new_tokens=6, do_sample=False)
        return [row[-6:] for row in ids.tolist()]

    texts = ("count", "name the colour of the car")
    assert written(*texts) == [written(text)[0] for text in texts]


def test_the_processor_shows_the_q_former_padded_texts_at_their_trained_positions(
    tiny_model: Path, tmp_path: Path
) -> None:
    model, tokenizers = load(tiny_model)
    export(model, tokenizers, "", tmp_path / "out")
    processor: Any = InstructBlipProcessor.from_pretrained(tmp_path / "out")
    both = processor(text=["count", "name the colour"], padding=True, return_tensors="pt")
    for key in ("qformer_attention_mask", "attention_mask"):
        mask = both[key][0].tolist()
        assert mask == sorted(mask, reverse=True) and 0 in mask


def test_a_vocabulary_without_the_image_token_is_widened_and_logits_stay(
    tiny: Any, make_batch: MakeBatch, tmp_path: Path
) -> None:
    """A Vicuna from LAVIS: the placeholder's id is the first behind the embeddings."""
    folder = tiny.save("llama", tmp_path / "base")
    model, tokenizers = load(folder)
    head, embeddings = model.hf.language_model.lm_head, model.hf.get_input_embeddings()
    for layer in (head, embeddings):
        layer.weight = torch.nn.Parameter(layer.weight[:259].clone(), requires_grad=False)
    model.hf.config.text_config.vocab_size = 259
    batch = make_batch(tokenizers, TEXTS)
    with torch.no_grad():
        wanted, _, _ = model.predict(batch)
    export(model, tokenizers, "", tmp_path / "out")
    logits, hf = reread(tmp_path / "out", batch, torch.float32)
    assert hf.config.text_config.vocab_size == logits.shape[1] == 260
    torch.testing.assert_close(logits[:, :259], wanted, atol=2e-5, rtol=1e-5)
    unknown = tokenizers.language.unk_token_id
    torch.testing.assert_close(logits[:, 259], logits[:, unknown])


def test_room_that_is_there_is_left_as_it_is(tiny_llama: Path) -> None:
    model, _ = load(tiny_llama)
    before = model.hf.language_model.lm_head.weight
    make_room(model.hf, 264, like=0)
    assert model.hf.language_model.lm_head.weight is before


def test_a_folder_that_exists_is_not_written_over(tiny_t5: Path, tmp_path: Path) -> None:
    model, tokenizers = load(tiny_t5)
    with pytest.raises(ModelError, match="exists; export to a new folder"):
        export(model, tokenizers, "", tmp_path)


def test_weights_of_a_checkpoint_must_be_what_the_model_trains(
    tiny_t5: Path, tmp_path: Path
) -> None:
    model, _ = load(tiny_t5)
    state = {name: p.detach() + 1 for name, p in trained_parameters(model).items()}
    save_file(state, tmp_path / "trained.safetensors")
    load_trained(model, tmp_path / "trained.safetensors")
    for name, parameter in trained_parameters(model).items():
        torch.testing.assert_close(parameter.detach(), state[name], atol=0, rtol=0)

    ablation, _ = load(tiny_t5, qformer_instruction=False)
    with pytest.raises(ModelError, match=r"only on one side: qformer\.embeddings"):
        load_trained(ablation, tmp_path / "trained.safetensors")
    save_file(state | {"query_tokens": torch.zeros(1, 5, 32)}, tmp_path / "other.safetensors")
    with pytest.raises(
        ModelError, match=r"query_tokens is of shape \(1, 5, 32\), not \(1, 8, 32\)"
    ):
        load_trained(model, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="cannot read"):
        load_trained(model, tmp_path / "none.safetensors")
