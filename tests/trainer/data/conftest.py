"""Small built datasets of drawn scenes, and streams over them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.sample.write import write_sample
from pipelines.cli.main import main
from trainer.config.data import DataOptions
from trainer.data.stream import Stream

SOURCES = ("aokvqa", "coco_caption", "llava_detail", "msvd_qa", "scienceqa", "visdial", "vqav2")
"""Some trained on, one without validation split, one of clips, two held out."""


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files of `SOURCES`, to be read only."""
    folder = tmp_path_factory.mktemp("scenes") / "raw"
    write_sample(folder, num_scenes=24, sources=SOURCES)
    return folder


def _build(scenes: Path, out: Path, *options: str) -> Path:
    assert main(["build", "--raw", str(scenes), "--out", str(out), *options]) == 0
    return out


@pytest.fixture(scope="session")
def embedded(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with its images, to be read only."""
    return _build(scenes, tmp_path_factory.mktemp("embedded") / "data", "--images", "embed")


@pytest.fixture(scope="session")
def referenced(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with references to its images, to be read only."""
    return _build(scenes, tmp_path_factory.mktemp("referenced") / "data")


@pytest.fixture
def damaged(embedded: Path, tmp_path: Path) -> Path:
    """A copy of the dataset with images, to be damaged."""
    return Path(shutil.copytree(embedded, tmp_path / "damaged"))


@pytest.fixture
def scenes_copy(scenes: Path, tmp_path: Path) -> Path:
    """A copy of the raw files, whose images are to be damaged."""
    return Path(shutil.copytree(scenes, tmp_path / "scenes"))


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., DataOptions]:
    """Options with a cache of the test's own."""

    def options(dataset: object, **changes: Any) -> DataOptions:
        values = {"cache_dir": tmp_path / "cache", "image_side": 32, **changes}
        return DataOptions(dataset=str(dataset), **values)

    return options


@pytest.fixture
def open_stream(options: Callable[..., DataOptions]) -> Callable[..., Stream]:
    def open_stream(dataset: object, seed: int = 0, **changes: Any) -> Stream:
        hashed = changes.pop("hash_images", False)
        return Stream.open(options(dataset, **changes), seed, hash_images=hashed)

    return open_stream


@pytest.fixture
def roots() -> Callable[[Path], dict[str, str]]:
    """Folder of the images of raw files."""

    def roots(raw: Path) -> dict[str, str]:
        return {"*": f"{raw}/images", "scienceqa": f"{raw}/scienceqa"}

    return roots


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
