"""The cache of the frozen encoder's states."""

import errno
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainer.config.model import FeatureCacheOptions, ModelOptions
from trainer.errors import ConfigError, ModelError
from trainer.model.batch import Batch
from trainer.model.features import FeatureCache, encoder_hash, open_feature_cache
from trainer.model.model import Model
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers

MakeBatch = Callable[..., Batch]
HASHES = ["aa" + "0" * 62, "bb" + "1" * 62, "aa" + "2" * 62]
STATE_BYTES = 5 * 32 * 2 + 4


@pytest.fixture
def model(tiny_llama: Path) -> Model:
    return build_model(options_of(tiny_llama), seed=0).eval()


def options_of(folder: Path, **more: object) -> ModelOptions:
    init = {"from": "instructblip", "path": str(folder)}
    return ModelOptions.model_validate({"init": init, **more})


def open_cache(folder: Path, model: Model, max_bytes: int = 10**9) -> FeatureCache:
    options = FeatureCacheOptions(folder=folder, max_bytes=max_bytes)
    return open_feature_cache(options, model, "bicubic", augmented=False)


def images(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 3, 28, 28), dtype=torch.uint8, generator=generator)


def fill(cache: FeatureCache, model: Model, pixels: Tensor) -> Tensor:
    features, missing = cache.find(HASHES)
    return cache.complete(HASHES, features, missing, pixels, model.encode_pixels)


def no_encoding(pixels: Tensor) -> Tensor:
    raise AssertionError("nothing should be encoded")


def test_what_was_encoded_once_is_found_again_in_any_order(model: Model, tmp_path: Path) -> None:
    cache, pixels = open_cache(tmp_path, model), images()
    first, missing = cache.find(HASHES)
    assert missing == [0, 1, 2] and not first.any()
    states = fill(cache, model, pixels)
    torch.testing.assert_close(states, model.encode_pixels(pixels).half(), atol=0, rtol=0)
    found, missing = open_cache(tmp_path, model).find(HASHES[::-1])
    assert not missing
    torch.testing.assert_close(found, states.flip(0), atol=0, rtol=0)
    same = cache.complete(HASHES, states, [], pixels, no_encoding)
    assert same is states


def test_only_what_is_missing_is_encoded(model: Model, tmp_path: Path) -> None:
    cache, pixels = open_cache(tmp_path, model), images()
    states = fill(cache, model, pixels)
    next(tmp_path.glob(f"*/bb/{HASHES[1]}.f16")).unlink()
    seen: list[int] = []

    def encode(some: Tensor) -> Tensor:
        seen.append(len(some))
        return model.encode_pixels(some)

    features, missing = cache.find(HASHES)
    assert missing == [1]
    again = cache.complete(HASHES, features, missing, pixels, encode)
    torch.testing.assert_close(again, states, atol=1e-3, rtol=1e-3)
    assert seen == [1]


def test_losses_with_the_cache_are_those_without_it(
    model: Model, tiny_llama: Path, tmp_path: Path, make_batch: MakeBatch
) -> None:
    batch = make_batch(load_tokenizers(options_of(tiny_llama)))
    assert batch.pixels is not None
    cache = open_cache(tmp_path, model)
    plain = model(batch)
    for _ in ("encoded", "found"):
        features, missing = cache.find(HASHES)
        features = cache.complete(HASHES, features, missing, batch.pixels, model.encode_pixels)
        cached = model(replace(batch, pixels=None, features=features))
        torch.testing.assert_close(cached.sample_loss, plain.sample_loss, atol=0, rtol=1e-3)


def test_it_stays_within_its_bytes_and_still_gives_all_states(model: Model, tmp_path: Path) -> None:
    cache = open_cache(tmp_path, model, max_bytes=2 * STATE_BYTES + 10)
    states = fill(cache, model, images())
    files = list(tmp_path.glob("*/??/*.f16"))
    assert [file.stat().st_size for file in files] == [STATE_BYTES] * 2
    assert states.any(-1).any(-1).all()
    _, missing = cache.find(HASHES)
    assert missing == [2]
    fill(open_cache(tmp_path, model, max_bytes=2 * STATE_BYTES + 10), model, images())
    assert len(list(tmp_path.glob("*/??/*.f16"))) == 2


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda data: b"\0" * len(data)])
def test_a_damaged_file_is_encoded_again(
    model: Model, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    cache, pixels = open_cache(tmp_path, model), images()
    states = fill(cache, model, pixels)
    path = next(tmp_path.glob(f"*/bb/{HASHES[1]}.f16"))
    path.write_bytes(damage(path.read_bytes()))
    _, missing = cache.find(HASHES)
    assert missing == [1]
    torch.testing.assert_close(fill(cache, model, pixels), states, atol=1e-3, rtol=1e-3)
    assert cache.find(HASHES)[1] == []


def test_another_encoder_precision_or_preprocessing_has_another_folder(
    model: Model, tiny_llama: Path, tmp_path: Path
) -> None:
    options = FeatureCacheOptions(folder=tmp_path)
    low = build_model(options_of(tiny_llama, frozen_dtype="bfloat16"), seed=0)
    caches = [
        open_feature_cache(options, model, "bicubic", augmented=False),
        open_feature_cache(options, model, "nearest", augmented=False),
        open_feature_cache(options, low, "bicubic", augmented=False),
    ]
    with torch.no_grad():
        model.hf.vision_model.post_layernorm.weight += 1  # trained, not part of what is cached
    assert open_feature_cache(options, model, "bicubic", augmented=False) == caches[0]
    before = encoder_hash(model)
    with torch.no_grad():
        model.hf.vision_model.embeddings.class_embedding += 1
    assert encoder_hash(model) != before
    caches.append(open_feature_cache(options, model, "bicubic", augmented=False))
    assert len({cache.folder for cache in caches}) == 4


def test_augmented_images_are_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs data\.augmentation none"):
        open_feature_cache(FeatureCacheOptions(folder=tmp_path), model, "crop", augmented=True)


def test_states_beyond_fp16_are_refused(model: Model, tmp_path: Path) -> None:
    cache = open_cache(tmp_path, model)
    features, missing = cache.find(HASHES)
    with pytest.raises(ModelError, match="do not fit into fp16"):
        cache.complete(HASHES, features, missing, images(), lambda x: model.encode_pixels(x) + 1e6)
    assert not list(tmp_path.glob("*/??/*.f16"))


def test_it_can_be_sent_to_a_loaders_process(model: Model, tmp_path: Path) -> None:
    cache = open_cache(tmp_path, model)
    fill(cache, model, images())
    assert pickle.loads(pickle.dumps(cache)).find(HASHES)[1] == []


def test_a_full_disk_is_a_full_cache(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_cache(tmp_path, model)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    states = fill(cache, model, images())
    assert states.any(-1).any(-1).all()
    assert cache.find(HASHES)[1] == [0, 1, 2]
