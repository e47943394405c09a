"""Start from LAVIS's `.pth` files, written here in its layout from a model whose logits are known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from transformers import InstructBlipForConditionalGeneration

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.evaluation.inference.loading import load_adapter
from trainer.model.batch import IGNORED, Batch
from trainer.model.model import CLIP_MEAN, CLIP_STD
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers

MakeBatch = Callable[..., Batch]


@dataclass(frozen=True)
class LavisFiles:
    hf: InstructBlipForConditionalGeneration
    init: dict[str, Any]
    language_model: str


@pytest.fixture(scope="session", params=["t5", "llama"])
def files(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny: Any
) -> LavisFiles:
    return save_files(tmp_path_factory.mktemp(f"lavis_{request.param}"), request.param, tiny)


def save_files(folder: Path, language_model: str, tiny: Any) -> LavisFiles:
    config = tiny.config(language_model, image_token=260)
    if language_model == "t5":
        config.text_config.dense_act_fn = "gelu"  # what LAVIS makes of it
    hf = InstructBlipForConditionalGeneration(config)
    if language_model == "t5":
        tiny.untie(hf)
    tiny.randomise(hf, seed=3)
    width = config.vision_config.hidden_size
    for layer in hf.vision_model.encoder.layers:
        layer.self_attn.qkv.bias.data[width : 2 * width] = 0  # EVA has no bias of keys
    state = hf.state_dict()
    vision, branch, trimmed = lavis_layout(state, width)
    torch.save(vision, folder / "eva_vit_g.pth")
    torch.save({"model": branch}, folder / "blip2_pretrained.pth")
    torch.save({"model": trimmed, "config": {"arch": "x"}}, folder / "trimmed.pth")
    language = folder / "language_model"
    if language_model == "t5":
        hf.language_model.config.dense_act_fn = "gelu_new"  # as in the Hub's FlanT5
    hf.language_model.save_pretrained(language)
    tiny.language_tokenizer(language_model).save_pretrained(language)
    tiny.qformer_tokenizer().save_pretrained(folder / "bert")
    hf.config.save_pretrained(folder / "shape")
    return LavisFiles(
        hf.eval(),
        {
            "from": "lavis",
            "path": str(folder / "trimmed.pth"),
            "text_branch": str(folder / "blip2_pretrained.pth"),
            "vision": str(folder / "eva_vit_g.pth"),
            "language_model": str(language),
            "qformer_tokenizer": str(folder / "bert"),
            "config": str(folder / "shape" / "config.json"),
        },
        language_model,
    )


def lavis_layout(
    state: dict[str, Tensor], width: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """The encoder's file, a stage 1 and a stage 2 over it, written the other way round from our reading."""
    vision = {
        "cls_token": state["vision_model.embeddings.class_embedding"],
        "pos_embed": state["vision_model.embeddings.position_embedding"],
        "patch_embed.proj.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "patch_embed.proj.bias": state["vision_model.embeddings.patch_embedding.bias"],
        "norm.weight": torch.ones(width),
        "head.weight": torch.ones(3, width),
    }
    for i in range(2):
        theirs, ours = f"blocks.{i}", f"vision_model.encoder.layers.{i}"
        for a, b in (
            ("norm1", "layer_norm1"),
            ("norm2", "layer_norm2"),
            ("attn.proj", "self_attn.projection"),
            ("mlp.fc1", "mlp.fc1"),
            ("mlp.fc2", "mlp.fc2"),
        ):
            for kind in ("weight", "bias"):
                vision[f"{theirs}.{a}.{kind}"] = state[f"{ours}.{b}.{kind}"]
        vision[f"{theirs}.attn.qkv.weight"] = state[f"{ours}.self_attn.qkv.weight"]
        bias = state[f"{ours}.self_attn.qkv.bias"]
        vision[f"{theirs}.attn.q_bias"] = bias[:width].clone()
        vision[f"{theirs}.attn.v_bias"] = bias[2 * width :].clone()
    last = {n.replace("blocks.1.", "blocks.2."): t for n, t in vision.items() if "blocks.1." in n}
    vision |= last  # one block more than is used

    everything = {
        "query_tokens": state["query_tokens"],
        "ln_vision.weight": state["vision_model.post_layernorm.weight"],
        "ln_vision.bias": state["vision_model.post_layernorm.bias"],
    }
    for name, tensor in state.items():
        if name.startswith("qformer."):
            theirs = name.replace("qformer.", "Qformer.bert.")
            theirs = theirs.replace("embeddings.layernorm", "embeddings.LayerNorm")
            theirs = theirs.replace("attention.attention.", "attention.self.")
            everything[theirs] = tensor
    text = (".intermediate.", ".output.dense", ".output.LayerNorm", "word_emb", "position_emb")

    def is_text(name: str) -> bool:
        return any(part in name for part in text) and "attention" not in name

    heads = {"Qformer.cls.predictions.bias": torch.ones(3), "temp": torch.ones([])}
    heads |= {"Qformer.bert.embeddings.position_ids": torch.arange(160)[None]}
    heads |= {"itm_head.weight": torch.ones(2, 3), "vision_proj.weight": torch.ones(2, 3)}
    branch = heads | {
        name: tensor if is_text(name) else torch.full_like(tensor, 9)
        for name, tensor in everything.items()
    }
    trimmed = {name: tensor for name, tensor in everything.items() if not is_text(name)}
    proj = "t5_proj" if "language_model.shared.weight" in state else "llm_proj"
    for kind in ("weight", "bias"):
        trimmed[f"{proj}.{kind}"] = state[f"language_projection.{kind}"]
    return vision, branch, trimmed


def options_of(init: dict[str, Any]) -> ModelOptions:
    return ModelOptions.model_validate({"init": init})


def test_logits_are_those_of_the_model_that_the_files_were_made_of(
    files: LavisFiles, make_batch: MakeBatch
) -> None:
    options = options_of(files.init)
    model, tokenizers = build_model(options, seed=0).eval(), load_tokenizers(options)
    batch = make_batch(tokenizers)
    assert batch.pixels is not None
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    files.hf.config.image_token_index = tokenizers.image_token
    with torch.no_grad():
        expected = files.hf(
            pixel_values=(batch.pixels.float() / 255 - mean) / std,
            qformer_input_ids=batch.qformer_ids,
            qformer_attention_mask=batch.qformer_mask,
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            **({"labels": batch.labels} if model.is_encoder_decoder else {}),
        ).logits
        logits, _, _ = model.predict(batch)
    if model.is_encoder_decoder:
        wanted = expected[batch.labels != IGNORED]
    else:
        wanted = expected[:, :-1][batch.labels[:, 1:] != IGNORED]
    torch.testing.assert_close(logits, wanted, atol=2e-5, rtol=1e-5)


def test_tokenizers_are_set_as_lavis_sets_them(files: LavisFiles) -> None:
    tokenizers = load_tokenizers(options_of(files.init))
    assert tokenizers.qformer.convert_tokens_to_ids("[DEC]") == len(tokenizers.qformer) - 1 == 260
    assert tokenizers.bos == (None if files.language_model == "t5" else tokenizers.eos)
    first = tokenizers.language("ab").input_ids[0]
    assert (first == tokenizers.eos) is (files.language_model == "llama")


def test_a_stage_2_without_text_branch_says_which_file_is_missing(files: LavisFiles) -> None:
    with pytest.raises(ModelError, match="text branch; name stage 1 as `text_branch`"):
        build_model(options_of(files.init | {"text_branch": None}), seed=0)


def test_files_without_vision_encoder_say_so(files: LavisFiles) -> None:
    with pytest.raises(ModelError, match="no vision encoder; name LAVIS's file as `vision`"):
        build_model(options_of(files.init | {"vision": None}), seed=0)


def test_another_number_of_queries_is_refused(files: LavisFiles, tmp_path: Path) -> None:
    state = torch.load(files.init["path"], weights_only=True)
    state["model"]["query_tokens"] = torch.zeros(1, 5, 32)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"disagrees in shape .*query_tokens \(1, 5, 32\)"):
        build_model(options_of(files.init | {"path": str(tmp_path / "other.pth")}), seed=0)


def test_a_tensor_of_unknown_name_is_refused_and_named(files: LavisFiles, tmp_path: Path) -> None:
    state = torch.load(files.init["path"], weights_only=True)
    state["model"]["audio_encoder.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"no place for: audio_encoder\.weight"):
        build_model(options_of(files.init | {"path": str(tmp_path / "other.pth")}), seed=0)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/tmp/never").touch, ())


def test_a_file_that_would_run_code_is_refused(files: LavisFiles, tmp_path: Path) -> None:
    torch.save({"model": {"query_tokens": Trap()}}, tmp_path / "trap.pth")
    with pytest.raises(ModelError, match=r"cannot read .*trap\.pth as tensors"):
        build_model(options_of(files.init | {"path": str(tmp_path / "trap.pth")}), seed=0)


def test_a_configuration_that_starts_from_the_files_can_be_evaluated(
    files: LavisFiles, tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    values = {
        "name": "run",
        "output": str(tmp_path / "run"),
        "data": {"dataset": "data"},
        "batch": {"global_size": 1, "micro_size": 1},
        "optimizer": {"steps": 2, "warmup_steps": 1},
    }
    config.write_text(yaml.safe_dump({**values, "model": {"init": files.init}}))
    adapter = load_adapter(str(config), device=torch.device("cpu"))
    assert adapter.facts["kind"] == "configuration"
    assert "preprocessor_not_followed" not in adapter.facts
