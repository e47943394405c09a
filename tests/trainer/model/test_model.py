"""Our forward against that of transformers, and what training may and may not touch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    InstructBlipForConditionalGeneration,
    InstructBlipVideoConfig,
    InstructBlipVideoForConditionalGeneration,
)
from transformers.modeling_layers import GradientCheckpointingLayer

from trainer.config.model import ModelOptions
from trainer.model.batch import IGNORED, Batch
from trainer.model.model import CLIP_MEAN, CLIP_STD, Model
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.tokens import Tokenizers
from trainer.model.trained import trained_parameters

MakeBatch = Callable[..., Batch]


def options_of(folder: Path, **more: object) -> ModelOptions:
    return ModelOptions.model_validate(
        {"init": {"from": "instructblip", "path": str(folder)}, **more}
    )


def load(folder: Path, **more: object) -> tuple[Model, Tokenizers]:
    options = options_of(folder, **more)
    return build_model(options, seed=0).eval(), load_tokenizers(options)


def hf_inputs(batch: Batch) -> dict[str, Tensor]:
    assert batch.pixels is not None
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return {
        "pixel_values": (batch.pixels.float() / 255 - mean) / std,
        "qformer_input_ids": batch.qformer_ids,
        "qformer_attention_mask": batch.qformer_mask,
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "labels": batch.labels,
    }


def supervised(logits: Tensor, labels: Tensor, is_encoder_decoder: bool) -> Tensor:
    if is_encoder_decoder:
        return logits[labels != IGNORED]
    return logits[:, :-1][labels[:, 1:] != IGNORED]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_logits_and_loss_are_those_of_transformers(
    tiny_model: Path, make_batch: MakeBatch, attention: str
) -> None:
    model, tokenizers = load(tiny_model, attention=attention)
    batch = make_batch(tokenizers)
    hf = InstructBlipForConditionalGeneration.from_pretrained(tiny_model).eval()
    with torch.no_grad():
        expected = hf(**hf_inputs(batch))
        predictions = model.predict(batch)
        output = model(batch)
    logits = supervised(expected.logits, batch.labels, model.is_encoder_decoder)
    assert len(logits) == batch.num_targets > 10
    torch.testing.assert_close(predictions.logits, logits, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(output.loss_sum / output.token_count, expected.loss)


def test_losses_of_samples_are_sums_of_their_tokens(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model)
    texts = [("what is it?", "a cat"), ("count", "two of them")]
    output = model(make_batch(tokenizers, texts))
    assert output.sample_tokens.tolist() == [len("a cat") + 1, len("two of them") + 1]
    assert int(output.token_count) == int(output.sample_tokens.sum())
    torch.testing.assert_close(output.sample_loss.sum(), output.loss_sum.detach())
    assert output.loss_sum.dtype is output.sample_loss.dtype is torch.float32
    assert output.loss_sum.requires_grad and not output.sample_loss.requires_grad


def test_a_sample_alone_and_padded_beside_others_has_the_same_loss(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model)
    whole = make_batch(tokenizers)
    together = model(whole).sample_loss
    for i, text in enumerate([("what is it?", "a cat"), ("name the colour of the car", "red")]):
        assert whole.pixels is not None
        alone = replace(make_batch(tokenizers, [text]), pixels=whole.pixels[i : i + 1])
        torch.testing.assert_close(model(alone).sample_loss[0], together[i], atol=1e-4, rtol=1e-5)


def test_what_stands_behind_the_padding_does_not_matter(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model)
    batch = make_batch(tokenizers)
    noisy = replace(
        batch,
        qformer_ids=torch.where(batch.qformer_mask == 0, 77, batch.qformer_ids),
        input_ids=torch.where(batch.attention_mask == 0, 77, batch.input_ids),
    )
    torch.testing.assert_close(model(noisy).sample_loss, model(batch).sample_loss)


def test_a_image_and_an_instruction_act_on_their_own_sample_alone(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model)
    batch = make_batch(tokenizers)
    assert batch.pixels is not None
    before = model(batch).sample_loss
    pixels, ids = batch.pixels.clone(), batch.qformer_ids.clone()
    pixels[0] = 255 - pixels[0]
    ids[0, 1] += 1
    for changed in (replace(batch, pixels=pixels), replace(batch, qformer_ids=ids)):
        difference = (model(changed).sample_loss - before).abs()
        assert difference[0] > 1e-3
        assert difference[1:].max() < 1e-5


@pytest.mark.parametrize("num_frames", [3, 4])
def test_frames_are_those_of_the_video_model(
    tiny_model: Path, make_batch: MakeBatch, num_frames: int
) -> None:
    model, tokenizers = load(tiny_model)
    batch = make_batch(tokenizers, num_frames=num_frames)
    hf = video_model(model)
    inputs = hf_inputs(batch)
    frames = inputs["pixel_values"].unflatten(0, (len(batch), num_frames))
    with torch.no_grad():
        expected = hf(**inputs | {"pixel_values": frames})
        predictions = model.predict(batch)
    logits = supervised(expected.logits, batch.labels, model.is_encoder_decoder)
    torch.testing.assert_close(predictions.logits, logits, atol=2e-5, rtol=1e-5)


def video_model(model: Model) -> InstructBlipVideoForConditionalGeneration:
    parts = model.config.to_dict()
    config = InstructBlipVideoConfig(
        vision_config=parts["vision_config"] | {"model_type": "instructblipvideo_vision_model"},
        qformer_config=parts["qformer_config"] | {"model_type": "instructblipvideo_qformer"},
        text_config=parts["text_config"],
        num_query_tokens=model.num_query_tokens,
        video_token_index=model.image_token,
    )
    hf = InstructBlipVideoForConditionalGeneration(config).eval()
    state = model.hf.state_dict()
    if model.is_encoder_decoder:
        head = hf.language_model.lm_head
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
    hf.load_state_dict(state)
    return hf


def test_correct_means_that_greedy_decoding_gives_the_target(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model)
    batch = make_batch(tokenizers, [("what is it?", "a cat"), ("what is it?", "a dog")])
    logits, targets, samples = model.predict(batch)
    greedy = greedy_target(model, tokenizers, batch, length=4)
    first = replace_target(tokenizers, batch, greedy)
    assert model.correct(first).tolist() == [True, False]
    assert not model.correct(batch).any()
    assert len(logits) == len(targets) == len(samples)


def greedy_target(model: Model, tokenizers: Tokenizers, batch: Batch, length: int) -> list[int]:
    """Return the text that transformers' own generation writes for the first sample."""
    inputs = {k: v[:1] for k, v in hf_inputs(batch).items() if k != "labels"}
    if not model.is_encoder_decoder:
        end = int((batch.labels[0] != IGNORED).nonzero()[0])
        inputs |= {k: inputs[k][:, :end] for k in ("input_ids", "attention_mask")}
    ids = model.hf.generate(
        **inputs, max_new_tokens=length, min_new_tokens=length, do_sample=False, num_beams=1
    )
    written: list[int] = ids[0].tolist()
    return written[-length:]


def replace_target(tokenizers: Tokenizers, batch: Batch, target: list[int]) -> Batch:
    """The batch with `target` as both samples' whole target; true of the first alone."""
    if tokenizers.is_encoder_decoder:
        other = [token + 1 for token in target]
        return replace(batch, labels=torch.tensor([target, other]))
    start = int((batch.labels[0] != IGNORED).nonzero()[0])
    ids = batch.input_ids[:, :start]
    both = torch.tensor([target, [token - 1 for token in target]])
    labels = torch.cat([torch.full_like(ids, IGNORED), both], 1)
    ids = torch.cat([ids, both], 1)
    return replace(batch, input_ids=ids, labels=labels, attention_mask=torch.ones_like(ids))


def test_the_trained_set_and_nothing_else_gets_gradients(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model)
    model.train()
    model(make_batch(tokenizers)).loss_sum.backward()
    trained = trained_parameters(model)
    with_gradient = {n for n, p in model.hf.named_parameters() if p.grad is not None}
    assert with_gradient == set(trained)
    assert not [name for name, p in trained.items() if not p.grad.abs().max() > 0]


def test_the_ablation_without_instruction_reads_no_text_and_trains_no_text_branch(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model, qformer_instruction=False)
    batch = make_batch(tokenizers)
    other = replace(batch, qformer_ids=batch.qformer_ids.flip(1))
    torch.testing.assert_close(model(other).loss_sum, model(batch).loss_sum, atol=0, rtol=0)
    model(batch).loss_sum.backward()
    trained = trained_parameters(model)
    assert {n for n, p in model.hf.named_parameters() if p.grad is not None} == set(trained)
    assert not [n for n in trained if "word_embeddings" in n or ".intermediate.dense" in n]


def test_cached_features_give_the_losses_of_the_pixels(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model)
    batch = make_batch(tokenizers)
    states = model.encode_pixels(batch.pixels)
    assert not states.requires_grad
    cached = replace(batch, pixels=None, features=states.half())
    torch.testing.assert_close(model(cached).loss_sum, model(batch).loss_sum, atol=0, rtol=1e-3)
    exact = replace(batch, pixels=None, features=states)
    torch.testing.assert_close(model(exact).loss_sum, model(batch).loss_sum, atol=0, rtol=0)


def test_frozen_parts_stay_in_evaluation_mode_while_training(tiny_model: Path) -> None:
    model, _ = load(tiny_model)
    model.train()
    assert model.hf.qformer.training
    frozen = [*model.hf.vision_model.modules(), *model.hf.language_model.modules()]
    assert not [
        m for m in frozen if m.training and not isinstance(m, GradientCheckpointingLayer)
    ]  # a checkpointed layer asks for the mode and has no randomness of its own
    model.eval()
    assert not any(module.training for module in model.modules())


def test_training_is_deterministic_without_dropout_and_random_with_it(
    tiny_t5: Path, make_batch: MakeBatch
) -> None:
    cases = {(0.0, False): True, (None, False): False, (0.0, True): False}
    for (qformer_dropout, lm_dropout), same in cases.items():
        model, tokenizers = load(tiny_t5, qformer_dropout=qformer_dropout, lm_dropout=lm_dropout)
        model.train()
        batch = make_batch(tokenizers)
        assert (model(batch).loss_sum == model(batch).loss_sum).item() is same
        model.eval()
        assert model(batch).loss_sum == model(batch).loss_sum


def test_checkpointed_layers_give_the_same_gradients(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    gradients, saved = [], []
    for checkpointing in (False, True):
        model, tokenizers = load(
            tiny_model, qformer_dropout=0.0, gradient_checkpointing=checkpointing
        )
        model.train()
        sizes: list[int] = []

        def pack(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = model(make_batch(tokenizers)).loss_sum
        loss.backward()
        saved.append(sum(sizes))
        gradients.append({n: p.grad for n, p in trained_parameters(model).items()})
    assert saved[1] < saved[0] / 2
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, atol=1e-4, rtol=1e-4)


def test_cross_entropy_is_in_fp32_beside_a_language_model_in_bf16(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    model, tokenizers = load(tiny_model, frozen_dtype="bfloat16")
    batch = make_batch(tokenizers)
    logits, targets, _ = model.predict(batch)
    assert logits.dtype is torch.bfloat16
    output = model(batch)
    expected = functional.cross_entropy(logits.float(), targets, reduction="sum")
    torch.testing.assert_close(output.loss_sum, expected)
    exact, _ = load(tiny_model)
    torch.testing.assert_close(output.loss_sum, exact(batch).loss_sum, atol=0, rtol=2e-2)
    output.loss_sum.backward()
    assert {p.grad.dtype for p in trained_parameters(model).values()} == {torch.float32}


def test_a_model_cast_to_bf16_as_a_whole_trains_close_to_fp32(
    tiny_model: Path, make_batch: MakeBatch
) -> None:
    """Run the model as an engine does: weights and arithmetic in bf16, from pixels and cached states."""
    exact, tokenizers = load(tiny_model)
    model = load(tiny_model)[0].bfloat16()
    batch = make_batch(tokenizers)
    cached = replace(batch, pixels=None, features=exact.encode_pixels(batch.pixels).half())
    for case in (batch, cached):
        model.zero_grad()
        exact.zero_grad()
        output = model(case)
        assert output.loss_sum.dtype is torch.float32
        output.loss_sum.backward()
        exact(case).loss_sum.backward()
        torch.testing.assert_close(output.loss_sum, exact(case).loss_sum, atol=0, rtol=2e-2)
        gradients = [
            torch.cat([p.grad.float().flatten() for p in trained_parameters(m).values()])
            for m in (model, exact)
        ]
        assert functional.cosine_similarity(*gradients, dim=0) > 0.98  # as of transformers' own


def test_a_cast_leaves_the_rotary_frequencies_exact(tiny_llama: Path) -> None:
    model, _ = load(tiny_llama)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    assert any("inv_freq" in name for name in before)
    model.bfloat16()
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, before[name], atol=0, rtol=0)


def test_query_tokens_are_one_parameter_with_two_owners(tiny_t5: Path) -> None:
    model, _ = load(tiny_t5)
    model.bfloat16().float()
    assert model.query_tokens is model.hf.query_tokens
    names = [name for name, _ in model.named_parameters()]
    assert "query_tokens" in names and "hf.query_tokens" not in names
    assert list(trained_parameters(model)).count("query_tokens") == 1
