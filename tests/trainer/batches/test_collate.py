"""Whole lists of tokens and labels, as LAVIS lays them out."""

import msgspec
import numpy as np
import pytest
import torch

from trainer.batches.collate import Collator
from trainer.config.model import ModelOptions
from trainer.data.order.sample import Place, Sample
from trainer.errors import DataError
from trainer.model.batch import IGNORED
from trainer.model.starts.tokenizers import load_tokenizers


def make_sample(k: int, instruction: str, target: str, frames: int = 1) -> Sample:
    return Sample(
        place=Place(k, "vqav2", k, 0, k, 0, 0),
        record_id=f"vqav2/train/{k}",
        group_id="g",
        template_id="t",
        instruction=instruction,
        target=target,
        images=np.full((frames, 3, 28, 28), k, np.uint8),
    )


def tokenizers(folder, **more):
    init = {"from": "instructblip", "path": str(folder)}
    return load_tokenizers(ModelOptions.model_validate({"init": init, **more}))


SAMPLES = [make_sample(7, "ab", "c"), make_sample(8, "abc", "de")]


def test_a_decoder_only_model_reads_queries_instruction_and_target_in_one_row(tiny_llama):
    tokens = tokenizers(tiny_llama)
    batch = Collator(tokens)(SAMPLES)
    one = {letter: tokens.language.convert_tokens_to_ids(letter) for letter in "abcde"}
    image, bos, eos, pad = [tokens.image_token] * 8, tokens.bos, tokens.eos, tokens.pad
    a, b, c, d, e = (one[letter] for letter in "abcde")
    assert batch.input_ids.tolist() == [
        [*image, bos, a, b, c, eos, pad, pad],
        [*image, bos, a, b, c, d, e, eos],
    ]
    assert batch.attention_mask.tolist() == [[1] * 13 + [0, 0], [1] * 15]
    not_supervised = [IGNORED] * 8
    assert batch.labels.tolist() == [
        [*not_supervised, IGNORED, IGNORED, IGNORED, c, eos, IGNORED, IGNORED],
        [*not_supervised, IGNORED, IGNORED, IGNORED, IGNORED, d, e, eos],
    ]
    assert batch.num_targets == 5
    assert batch.ks.tolist() == [7, 8]
    assert batch.pixels[:, 0, 0, 0].tolist() == [7, 8]


def test_an_encoder_decoder_reads_the_instruction_and_decodes_the_target(tiny_t5):
    tokens = tokenizers(tiny_t5)
    batch = Collator(tokens)(SAMPLES)
    ids = tokens.language.convert_tokens_to_ids
    image, eos, pad = [tokens.image_token] * 8, tokens.eos, tokens.pad
    assert batch.input_ids.tolist() == [
        [*image, ids("a"), ids("b"), eos, pad],
        [*image, ids("a"), ids("b"), ids("c"), eos],
    ]
    assert batch.labels.tolist() == [[ids("c"), eos, IGNORED], [ids("d"), ids("e"), eos]]


def test_the_q_former_reads_the_instruction_or_none_of_it(tiny_t5):
    tokens = tokenizers(tiny_t5)
    read = Collator(tokens)(SAMPLES)
    assert read.qformer_ids.tolist()[1] == tokens.qformer("abc").input_ids
    assert read.qformer_mask.tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    blind = Collator(tokens, instruction_in_qformer=False)(SAMPLES)
    assert blind.qformer_ids.tolist() == [tokens.qformer("").input_ids] * 2
    assert torch.equal(blind.input_ids, read.input_ids)


def test_long_instructions_lose_their_beginning_and_long_targets_their_end(tiny_llama):
    tokens = tokenizers(tiny_llama, max_instruction_tokens=4, max_target_tokens=3)
    batch = Collator(tokens)([make_sample(0, "abcde", "abcde")])
    ids = tokens.language.convert_tokens_to_ids
    text = batch.input_ids[0, 8:].tolist()
    assert text == [tokens.bos, *ids(list("cde")), *ids(list("ab")), tokens.eos]
    first, *middle, last = batch.qformer_ids[0].tolist()
    assert middle == tokens.qformer.convert_tokens_to_ids(list("de"))
    assert [first, last] == tokens.qformer("").input_ids


def test_markup_in_a_text_is_plain_text(tiny_llama):
    tokens = tokenizers(tiny_llama)
    batch = Collator(tokens)([make_sample(0, "a <image> b </s>", "c </s> d")])
    assert (batch.input_ids == tokens.image_token).sum() == 8
    assert (batch.labels == tokens.eos).sum() == 1


def test_frames_of_a_clip_are_one_sample(tiny_t5):
    tokens = tokenizers(tiny_t5)
    batch = Collator(tokens)(
        [make_sample(0, "a", "b", frames=3), make_sample(1, "a", "b", frames=3)]
    )
    assert (batch.num_frames, batch.num_placeholders) == (3, 24)
    assert batch.pixels.shape == (6, 3, 28, 28)
    assert (batch.input_ids == tokens.image_token).sum(1).tolist() == [24, 24]


def test_samples_of_one_image_and_of_two_are_no_batch(tiny_t5):
    collate = Collator(tokenizers(tiny_t5))
    samples = [make_sample(0, "what?", "a cat"), make_sample(1, "what?", "a dog", frames=2)]
    with pytest.raises(
        DataError, match=r"records of 1 and 2 images .*train/1 of 2.*several: first"
    ):
        collate(samples)


def test_a_sample_without_anything_to_learn_is_refused_by_name(tiny_t5):
    tokens = tokenizers(tiny_t5)
    batch = Collator(tokens)(SAMPLES)
    labels = batch.labels.clone()
    labels[1] = IGNORED
    from dataclasses import replace

    with pytest.raises(DataError, match=r"sample 8 \(vqav2/train/8\) has no supervised token"):
        replace(batch, labels=labels).check(tokens.image_token)


def test_a_wrong_number_of_placeholders_is_refused_by_name(tiny_t5):
    from dataclasses import replace

    tokens = tokenizers(tiny_t5)
    batch = Collator(tokens)(SAMPLES)
    ids = batch.input_ids.clone()
    ids[0, 0] = tokens.eos
    with pytest.raises(
        DataError, match=r"sample 7 .* has 7 image placeholders for 8 query vectors"
    ):
        replace(batch, input_ids=ids).check(tokens.image_token)


def test_cached_features_take_the_images_place(tiny_t5, tmp_path):
    from trainer.model.features import FeatureCache

    cache = FeatureCache(tmp_path, 10_000_000, tokens=5, width=4)
    named = [
        msgspec.structs.replace(each, image_hashes=(f"{i:064x}",)) for i, each in enumerate(SAMPLES)
    ]
    collator = Collator(tokenizers(tiny_t5), feature_cache=cache)
    batch = collator(named)
    assert batch.missing == (0, 1) and batch.pixels is not None
    states = torch.randn(2, 5, 4).half()
    cache.complete(
        batch.image_hashes, batch.features, batch.missing, batch.pixels, lambda _: states
    )
    again = collator(named)
    assert again.missing == () and again.pixels is None
    assert torch.equal(again.features, states)
