from collections.abc import Callable
from pathlib import Path

import pytest

from datagen.errors import OptionError
from datagen.files import LocalFiles
from datagen.mixture import MixtureOptions
from datagen.schema.manifest import Manifest, read_manifest
from trainer.config.data import DataOptions
from trainer.data.order.sources import parts, trained_shards, validation_shards
from trainer.errors import DataError


@pytest.fixture
def manifest(embedded: Path) -> Manifest:
    return read_manifest(str(embedded), LocalFiles())


def test_the_mixture_is_the_manifests_unless_the_run_has_one(
    manifest: Manifest, embedded: Path, options: Callable[..., DataOptions]
) -> None:
    found = parts(manifest, options(embedded))
    assert {s: p.probability for s, p in found.items()} == {
        s: entry.probability for s, entry in manifest.mixture.items()
    }
    uniform = parts(manifest, options(embedded, mixture=MixtureOptions(rule="uniform", factors={})))
    assert {part.probability for part in uniform.values()} == {1 / len(uniform)}


def test_only_a_source_without_validation_split_keeps_rows_back(
    manifest: Manifest, embedded: Path, options: Callable[..., DataOptions]
) -> None:
    found = parts(manifest, options(embedded, reserve_rows=2))
    llava = {"llava_conversation", "llava_detail", "llava_reasoning"}
    assert {source for source, part in found.items() if part.reserved} == llava
    assert {part.reserved for source, part in found.items() if source not in llava} == {0}
    part = found["llava_conversation"]
    assert part.reserved == 2 < part.size // 10
    assert parts(manifest, options(embedded))["llava_conversation"].reserved == part.size // 10
    assert not parts(manifest, options(embedded, reserve_rows=0))["llava_detail"].reserved


def test_a_source_trained_on_its_validation_split_keeps_rows_back(
    manifest: Manifest, embedded: Path, options: Callable[..., DataOptions]
) -> None:
    mixture = MixtureOptions(splits={"vqav2": ("train", "val")})
    found = parts(manifest, options(embedded, mixture=mixture))["vqav2"]
    splits = manifest.splits["vqav2"]
    assert found.size == splits["train"].written + splits["val"].written
    assert found.reserved == found.size // 10
    assert [s.path.split("/")[-1][:5] for s in trained_shards(manifest, mixture, "vqav2")] == [
        "train",
        "val-0",
    ]
    assert validation_shards(manifest, mixture, "vqav2") == ()


def test_a_held_out_source_is_trained_on_only_if_named(
    manifest: Manifest, embedded: Path, options: Callable[..., DataOptions]
) -> None:
    assert "scienceqa" not in parts(manifest, options(embedded))
    found = parts(manifest, options(embedded, sources=("scienceqa",)))
    assert list(found) == ["scienceqa"] and found["scienceqa"].probability == 1


def test_a_source_of_factor_zero_takes_no_part(
    manifest: Manifest, embedded: Path, options: Callable[..., DataOptions]
) -> None:
    found = parts(manifest, options(embedded, mixture=MixtureOptions(factors={"vqav2": 0})))
    assert "vqav2" not in found and "coco_caption" in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": ("vqav",)}, "data.sources names 'vqav', which .*did you mean 'vqav2'"),
        (
            {"sources": ("vqav2",), "mixture": MixtureOptions(splits={"vqav2": ("trian",)})},
            "holds no record of vqav2 to train on",
        ),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(
    manifest: Manifest,
    embedded: Path,
    options: Callable[..., DataOptions],
    changes: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        parts(manifest, options(embedded, **changes))


def test_factors_that_leave_nothing_are_refused(
    manifest: Manifest, embedded: Path, options: Callable[..., DataOptions]
) -> None:
    mixture = MixtureOptions(factors={"vqav2": 0})
    with pytest.raises(OptionError, match="leave nothing to draw from"):
        parts(manifest, options(embedded, sources=("vqav2",), mixture=mixture))
