"""Start from BLIP-2's two stages, saved by transformers in their own layouts."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    PreTrainedTokenizerFast,
)

from trainer.config.model import ModelOptions
from trainer.errors import ModelError
from trainer.model.batch import IGNORED, Batch
from trainer.model.model import CLIP_MEAN, CLIP_STD, Model
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.tokens import IMAGE, Tokenizers

MakeBatch = Callable[..., Batch]
Folders = tuple[Path, Path]


@pytest.fixture(scope="session", params=["t5", "llama"])
def stages(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tiny: Any,
) -> Folders:
    """Stage 2 and stage 1."""
    folder = tmp_path_factory.mktemp(f"blip2_{request.param}")
    return save_stages(folder, request.param, tiny)


def save_stages(folder: Path, language_model: str, tiny: Any) -> Folders:
    parts = tiny.config(language_model, image_token=None).to_dict()
    vision = parts["vision_config"] | {"model_type": "blip_2_vision_model"}
    qformer = parts["qformer_config"] | {"model_type": "blip_2_qformer"}
    shared = {
        "vision_config": vision,
        "text_config": parts["text_config"],
        "num_query_tokens": parts["num_query_tokens"],
    }
    with_text = Blip2Config(qformer_config=qformer | {"use_qformer_text_input": True}, **shared)
    stage1 = Blip2ForImageTextRetrieval(with_text)
    tiny.randomise(stage1, seed=1)
    stage1.save_pretrained(folder / "stage1")
    tiny.qformer_tokenizer().save_pretrained(folder / "stage1")
    stage2 = Blip2ForConditionalGeneration(Blip2Config(qformer_config=qformer, **shared))
    if language_model == "t5":
        tiny.untie(stage2)
    tiny.randomise(stage2, seed=2)
    stage2.save_pretrained(folder / "stage2")
    tiny.language_tokenizer(language_model).save_pretrained(folder / "stage2")
    return folder / "stage2", folder / "stage1"


def load(folders: Folders, **more: object) -> tuple[Model, Tokenizers]:
    init = {"from": "blip2", "path": str(folders[0]), "text_branch": str(folders[1])}
    options = ModelOptions.model_validate({"init": init, **more})
    return build_model(options, seed=0).eval(), load_tokenizers(options)


def normalised(batch: Batch) -> torch.Tensor:
    assert batch.pixels is not None
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return (batch.pixels.float() / 255 - mean) / std


def test_without_instruction_the_logits_are_blip2s(stages: Folders, make_batch: MakeBatch) -> None:
    model, tokenizers = load(stages, qformer_instruction=False)
    batch = make_batch(tokenizers)
    hf = Blip2ForConditionalGeneration.from_pretrained(stages[0]).eval()
    hf.config.image_token_index = tokenizers.image_token
    with torch.no_grad():
        expected = hf(
            pixel_values=normalised(batch),
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            labels=batch.labels,
        )
        logits, _, _ = model.predict(batch)
    if model.is_encoder_decoder:
        wanted = expected.logits[batch.labels != IGNORED]
    else:
        wanted = expected.logits[:, :-1][batch.labels[:, 1:] != IGNORED]
    torch.testing.assert_close(logits, wanted, atol=2e-5, rtol=1e-5)


def test_with_stage_1_alone_the_queries_are_those_of_its_matching_head(
    tmp_path: Path, tiny: Any, make_batch: MakeBatch
) -> None:
    stage2, stage1 = save_stages(tmp_path, "t5", tiny)
    one = Blip2ForImageTextRetrieval.from_pretrained(stage1).eval()
    two = Blip2ForConditionalGeneration.from_pretrained(stage2)
    report = two.load_state_dict(one.state_dict(), strict=False)  # all that both have
    assert "qformer.layernorm.weight" not in report.missing_keys
    two.save_pretrained(stage2)
    model, tokenizers = load((stage2, stage1))
    batch = make_batch(tokenizers)
    with torch.no_grad():
        images = one.vision_model(pixel_values=normalised(batch)).last_hidden_state
        queries = one.query_tokens.expand(len(batch), -1, -1)
        mask = torch.cat([torch.ones(queries.shape[:2], dtype=torch.long), batch.qformer_mask], 1)
        read = one.qformer(
            query_embeds=one.embeddings(input_ids=batch.qformer_ids, query_embeds=queries),
            query_length=queries.shape[1],
            attention_mask=mask,
            encoder_hidden_states=images,
        ).last_hidden_state[:, : queries.shape[1]]
        wanted = two.language_projection(read)
        states = model.encode_pixels(batch.pixels)
        got = model.read_queries(states, batch.qformer_ids, batch.qformer_mask, num_frames=1)
    torch.testing.assert_close(got, wanted, atol=2e-5, rtol=1e-5)


def test_the_text_branch_is_stage_1s_and_all_else_stage_2s(stages: Folders) -> None:
    model, _ = load(stages)
    state = model.hf.state_dict()
    stage2 = Blip2ForConditionalGeneration.from_pretrained(stages[0]).state_dict()
    stage1 = Blip2ForImageTextRetrieval.from_pretrained(stages[1]).state_dict()
    layer = "qformer.encoder.layer.1"
    for name in (f"{layer}.intermediate.dense.weight", f"{layer}.output.LayerNorm.bias"):
        torch.testing.assert_close(state[name], stage1[name])
        assert name not in stage2
    for name in (f"{layer}.attention.attention.query.weight", "query_tokens"):
        torch.testing.assert_close(state[name], stage2[name])
        assert not torch.equal(stage1[name], stage2[name])
    torch.testing.assert_close(
        state["qformer.embeddings.layernorm.weight"], stage2["qformer.layernorm.weight"]
    )
    torch.testing.assert_close(
        state["qformer.embeddings.word_embeddings.weight"],
        stage1["embeddings.word_embeddings.weight"],
    )


def test_stage_2_alone_is_refused_with_what_it_lacks(stages: Folders, tiny: Any) -> None:
    tiny.qformer_tokenizer()
    with pytest.raises(ModelError, match=r"lacks .*qformer\.embeddings\.position_embeddings"):
        load((stages[0], stages[0]), max_instruction_tokens=8)


def test_stages_of_another_number_of_queries_are_refused(
    stages: Folders, tmp_path: Path, tiny: Any
) -> None:
    config = Blip2Config.from_pretrained(stages[1])
    config.num_query_tokens = 5
    Blip2ForImageTextRetrieval(config).save_pretrained(tmp_path)
    tiny.qformer_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"has 8 query tokens, .* has 5"):
        load((stages[0], tmp_path))


def test_the_q_formers_tokenizer_is_stage_1s(stages: Folders) -> None:
    _, tokenizers = load(stages)
    assert isinstance(tokenizers.qformer, PreTrainedTokenizerFast)
    assert tokenizers.qformer("a").input_ids[0] == tokenizers.qformer.cls_token_id
    assert tokenizers.image_token == len(tokenizers.language)


def test_stage_1_may_hold_the_image_token_of_a_blip_2_processor(
    stages: Folders, tmp_path: Path, tiny: Any
) -> None:
    """As the public files do: one token more than the Q-Former has embeddings."""
    stage1 = shutil.copytree(stages[1], tmp_path / "stage1")
    tokenizer = tiny.qformer_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_tokens([IMAGE], special_tokens=True)
    tokenizer.save_pretrained(stage1)
    _, tokenizers = load((stages[0], stage1))
    assert len(tokenizers.qformer) == len(tokenizer) - 1
