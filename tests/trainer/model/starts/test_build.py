"""Starts from a released folder, from the miniature model's files, and from nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import InstructBlipForConditionalGeneration

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.model.batch import Batch
from trainer.model.starts.build import build_model, check_attention
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.trained import is_papers

MakeBatch = Callable[..., Batch]


def options_of(**init: object) -> ModelOptions:
    return ModelOptions.model_validate({"init": init})


def released(folder: Path) -> ModelOptions:
    return options_of(**{"from": "instructblip", "path": str(folder)})


@pytest.fixture
def copied(tiny_llama: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_llama, tmp_path / "copy")


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    state = {name: tensor.clone() for name, tensor in load_file(path).items()}
    edit(state)
    save_file(state, path, metadata={"format": "pt"})


def test_every_parameter_is_the_folders(tiny_model: Path) -> None:
    ours = build_model(released(tiny_model), seed=0).hf.state_dict()
    theirs = InstructBlipForConditionalGeneration.from_pretrained(tiny_model).state_dict()
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], atol=0, rtol=0)


def test_trained_parts_are_fp32_and_exact_beside_frozen_ones_in_bf16(tiny_model: Path) -> None:
    options = released(tiny_model).model_copy(update={"frozen_dtype": "bfloat16"})
    model = build_model(options, seed=0)
    exact = build_model(released(tiny_model), seed=0).hf.state_dict()
    for name, parameter in model.hf.named_parameters():
        assert parameter.dtype is (torch.float32 if is_papers(name) else torch.bfloat16), name
        wanted = exact[name] if is_papers(name) else exact[name].bfloat16()
        torch.testing.assert_close(parameter.detach(), wanted, atol=0, rtol=0)


def test_pickled_weights_of_older_releases_are_read_too(copied: Path) -> None:
    expected = build_model(released(copied), seed=0).hf.state_dict()
    state = load_file(copied / "model.safetensors")
    state["qformer.embeddings.position_ids"] = torch.arange(160)[None]
    state["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(6)
    torch.save(state, copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    got = build_model(released(copied), seed=0).hf.state_dict()
    for name, tensor in got.items():
        torch.testing.assert_close(tensor, expected[name], atol=0, rtol=0)


def test_missing_and_unknown_tensors_are_all_named(copied: Path) -> None:
    def edit(state: dict[str, torch.Tensor]) -> None:
        del state["query_tokens"], state["language_projection.bias"]
        state["adapter.weight"] = torch.zeros(2)

    edit_weights(copied, edit)
    with pytest.raises(ModelError) as caught:
        build_model(released(copied), seed=0)
    message = str(caught.value)
    assert "lacks language_projection.bias, query_tokens" in message
    assert "no place for: adapter.weight" in message
    assert str(copied) in message


def test_another_number_of_queries_than_the_configurations_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"num_query_tokens": 7}))
    with pytest.raises(ModelError, match=r"query_tokens \(1, 8, 32\) \(1, 7, 32\)"):
        build_model(released(copied), seed=0)


def test_a_vocabulary_smaller_than_the_tokenizers_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["qformer_config"]["vocab_size"] = 200
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"the Q-Former knows 260 tokens, .* for 200"):
        build_model(released(copied), seed=0)


def test_a_file_that_is_cut_off_is_named(copied: Path) -> None:
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"cannot read .*model\.safetensors"):
        build_model(released(copied), seed=0)


def test_a_shard_that_the_index_names_must_be_there(copied: Path) -> None:
    index = {"weight_map": {"query_tokens": "model-00002-of-00002.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="lacks model-00002-of-00002"):
        build_model(released(copied), seed=0)


def test_a_folder_that_is_not_there_and_one_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder: /nowhere"):
        build_model(released(Path("/nowhere")), seed=0)
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        build_model(released(tmp_path), seed=0)
    (tmp_path / "config.json").write_text('{"model_type": "blip-2"}')
    with pytest.raises(ModelError, match="describes a blip-2, not an instructblip"):
        build_model(released(tmp_path), seed=0)


def test_other_language_models_are_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["text_config"] = {"model_type": "opt", "vocab_size": 264}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ModelError, match="language model is of type opt; t5 and llama are supported"
    ):
        build_model(released(copied), seed=0)


@pytest.fixture
def nano(tiny_llama: Path, tmp_path: Path) -> Path:
    """Files as the miniature model's, of the tiny Llama's frozen parts."""
    folder = tmp_path / "nano"
    folder.mkdir()
    shutil.copy(tiny_llama / "config.json", folder)
    shutil.copy(tiny_llama / "tokenizer.json", folder)
    state = load_file(tiny_llama / "model.safetensors")
    frozen = {n: t for n, t in state.items() if n.startswith(("language_model.", "vision_model."))}
    save_file(frozen, folder / "frozen.safetensors")
    trained = {n: t + 0.25 for n, t in state.items() if n not in frozen}
    save_file(trained, folder / "stage2.safetensors")
    return folder


def nano_options(folder: Path, **more: object) -> ModelOptions:
    return options_of(**{"from": "nano", "path": folder, **more})


def test_nano_starts_from_its_captioning_stage(nano: Path) -> None:
    files = load_file(nano / "frozen.safetensors") | load_file(nano / "stage2.safetensors")
    model = build_model(nano_options(nano), seed=0)
    named = dict(model.hf.named_parameters())
    assert set(named) == set(files)
    for name, parameter in named.items():
        torch.testing.assert_close(parameter.detach(), files[name], atol=0, rtol=0)


def test_nanos_frozen_parts_are_the_files_and_the_others_may_be_the_seeds(
    nano: Path, make_batch: MakeBatch
) -> None:
    options = nano_options(nano, captioned=False)
    zero, again, one = (build_model(options, seed) for seed in (0, 0, 1))
    files = load_file(nano / "frozen.safetensors")
    other = dict(one.hf.named_parameters())
    for (name, parameter), twin in zip(
        zero.hf.named_parameters(), again.hf.parameters(), strict=True
    ):
        assert torch.equal(parameter, twin)
        if name in files:
            assert torch.equal(parameter, files[name])
        elif parameter.ndim > 1:
            assert not torch.equal(parameter, other[name])
    assert 0.015 < zero.query_tokens.std().item() < 0.025
    assert zero(make_batch(load_tokenizers(options))).loss_sum > 0


def test_building_leaves_torchs_generator_as_it_was(nano: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_model(nano_options(nano), seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_nano_may_have_another_number_of_queries(nano: Path, make_batch: MakeBatch) -> None:
    options = nano_options(nano, num_query_tokens=1)
    model, tokenizers = build_model(options, seed=0), load_tokenizers(options)
    assert model.num_query_tokens == tokenizers.num_query_tokens == 1
    stored = load_file(nano / "stage2.safetensors")["query_tokens"]
    torch.testing.assert_close(model.query_tokens.detach(), stored[:, :1], atol=0, rtol=0)
    with pytest.raises(ModelError, match=r"query_tokens is \(1, 8, 32\), not \(1, 9, 32\)"):
        build_model(nano_options(nano, num_query_tokens=9), seed=0)
    drawn = build_model(nano_options(nano, num_query_tokens=9, captioned=False), seed=0)
    assert drawn.query_tokens.shape == (1, 9, 32)
    assert model(make_batch(tokenizers)).loss_sum > 0


def test_nanos_files_must_fit_each_other(nano: Path) -> None:
    state = dict(load_file(nano / "frozen.safetensors"))
    del state["language_model.lm_head.weight"]
    save_file(state, nano / "frozen.safetensors")
    with pytest.raises(ModelError, match=r"does not fit .*language_model\.lm_head\.weight"):
        build_model(nano_options(nano), seed=0)


def test_a_random_model_sees_its_image(tiny_model: Path, make_batch: MakeBatch) -> None:
    init = {"from": "random", "config": tiny_model / "config.json", "tokenizers": str(tiny_model)}
    options = options_of(**init)
    model, tokenizers = build_model(options, seed=0).eval(), load_tokenizers(options)
    batch, other = (make_batch(tokenizers, seed=seed) for seed in (0, 1))
    assert (model(batch).sample_loss - model(other).sample_loss).abs().min() > 1e-5
    if model.is_encoder_decoder:
        head, shared = model.hf.language_model.lm_head, model.hf.language_model.shared
        assert head.weight is not shared.weight


def test_a_random_model_is_made_in_the_dtypes_of_a_loaded_one(tiny_llama: Path) -> None:
    init = {"from": "random", "config": tiny_llama / "config.json", "tokenizers": str(tiny_llama)}
    options = ModelOptions.model_validate({"init": init, "frozen_dtype": "bfloat16"})
    model = build_model(options, seed=0)
    for name, parameter in model.hf.named_parameters():
        assert parameter.dtype is (torch.float32 if is_papers(name) else torch.bfloat16)
    rotary = model.hf.language_model.model.rotary_emb
    assert rotary.inv_freq.dtype is torch.float32
    assert torch.get_default_dtype() is torch.float32


def test_a_name_that_the_hub_cannot_give_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        ModelError,
        match="someone/nothing is not a local folder, and could not be read from the Hub",
    ):
        build_model(released(Path("someone/nothing")), seed=0)


@pytest.mark.parametrize("more", [{}, {"size": "vicuna_7b", "config": "x.json"}])
def test_a_random_model_needs_one_of_size_and_config(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="needs either `size` or `config`"):
        options_of(**{"from": "random", **more})


def test_the_shipped_miniature_model_is_built_and_reads_its_words(make_batch: MakeBatch) -> None:
    options = options_of(**{"from": "nano"})
    model, tokenizers = build_model(options, seed=0).eval(), load_tokenizers(options)
    assert model.image_side == 48 and not model.is_encoder_decoder
    texts = [("what colour is the circle?", "red"), ("how many objects are there?", "two")]
    batch = make_batch(tokenizers, texts, side=48)
    assert tokenizers.language.unk_token_id not in batch.input_ids
    assert model(batch).loss_sum > 0


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("role", ["eos_token", "bos_token", "pad_token"])
def test_blank_special_tokens_are_refused(copied: Path, role: str, blank: str) -> None:
    path = copied / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {role: blank}))
    with pytest.raises(ModelError, match=rf"has a blank {role}, .*such as </s>"):
        load_tokenizers(released(copied))


def test_attention_whose_package_is_missing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trainer.model.starts.build.is_flash_attn_2_available", lambda: False)
    options = released(Path("/absent")).model_copy(update={"attention": "flash_attention_2"})
    with pytest.raises(ModelError, match=r"flash-attn.*or set model\.attention=sdpa"):
        check_attention(options)
