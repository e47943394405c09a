"""A small built dataset of the evaluated sources, and a model that answers by rule."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from datagen.sample.write import write_sample
from datagen.schema.manifest import encode_manifest, read_manifest
from datagen.stores.any_files import AnyFiles
from pipelines.cli.main import main
from templates.evaluation import Decoding
from trainer.evaluation import run as run_module
from trainer.evaluation.inference.adapter import ModelInput
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.launch.distributed import Launch, World

SOURCES = (
    *("nocaps", "gqa", "vsr", "iconqa", "visdial", "vizwiz", "msvd_qa", "hateful_memes", "textvqa"),
    "vqav2",
)


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with images, to be read only."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_sample(folder / "raw", num_scenes=100, sources=SOURCES)
    out = folder / "data"
    arguments = ["--raw", str(folder / "raw"), "--out", str(out), "--images", "embed"]
    assert main(["build", *arguments]) == 0
    return out


@pytest.fixture
def damaged(evaluated: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(evaluated, tmp_path / "damaged"))


class ByRule:
    """Says how many letters the prompt has, and ranks the longest candidate first."""

    language_model = "t5"
    image_side = 28

    def __init__(self) -> None:
        self.facts = {"name": "by rule", "weights_sha256": "0", "dtype": "float32"}
        self.asked: list[str] = []
        self.fails_on: str | None = None

    def generate(self, asked: Sequence[ModelInput], decoding: Decoding) -> list[str]:
        self._note(asked)
        return [f"{len(each.prompt)} {float(each.pixels.float().mean()):.3f}" for each in asked]

    def rank(
        self, asked: Sequence[ModelInput], candidates: Sequence[Sequence[str]], *, end_token: bool
    ) -> list[list[float]]:
        self._note(asked)
        return [[float(len(text)) for text in row] for row in candidates]

    def check(self, asked: Sequence[ModelInput], candidates: object, **_: object) -> int:
        """There is always room."""
        return 0

    def _note(self, asked: Sequence[ModelInput]) -> None:
        if self.fails_on in [each.record_id for each in asked]:
            raise RuntimeError("no such kernel")
        self.asked += [each.record_id for each in asked]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ByRule:
    """The model that every evaluation of this test loads."""
    made = ByRule()
    monkeypatch.setattr(run_module, "load_adapter", lambda *_, **__: made)
    return made


@pytest.fixture
def world() -> World:
    launch = Launch(0, 1, 0, 1, "127.0.0.1", 0, "none")
    return World(launch, torch.device("cpu"))


@pytest.fixture
def options(evaluated: Path, tmp_path: Path) -> Callable[..., EvaluationOptions]:
    def options(**changes: Any) -> EvaluationOptions:
        values = {
            "model": "by rule",
            "data": str(evaluated),
            "tasks": ("gqa", "vsr"),
            "output": tmp_path / "out",
            "batch_size": 4,
            "captions": "own",
        }
        return EvaluationOptions(**(values | changes))

    return options


@pytest.fixture
def rewrite() -> Callable[
    [Path, str, str, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]], None
]:
    """Changes the rows of a split, and the manifest with them."""

    def rewrite(
        data: Path,
        source: str,
        split: str,
        change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    ) -> None:
        import hashlib

        import msgspec
        import pyarrow as pa

        files = AnyFiles()
        manifest = read_manifest(str(data), files)
        entry = manifest.split(source, split)
        [shard] = entry.shards
        path = data / shard.path
        table = pq.read_table(path)
        changed = pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema)
        pq.write_table(changed, path)
        written = path.read_bytes()
        shard = msgspec.structs.replace(
            shard,
            rows=len(changed),
            num_bytes=len(written),
            sha256=hashlib.sha256(written).hexdigest(),
        )
        entry = msgspec.structs.replace(entry, shards=(shard,), written=len(changed))
        splits = {s: dict(held) for s, held in manifest.splits.items()}
        splits[source][split] = entry
        manifest = msgspec.structs.replace(manifest, splits=splits)
        (data / "manifest.json").write_bytes(encode_manifest(manifest))

    return rewrite
