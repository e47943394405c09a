"""Exported folders mean the same to transformers 4.46 as to our version."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainer.config.model import ModelOptions
from trainer.model.export import export
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers

PROGRAM = Path(__file__).with_name("read_exports.py")
OLD = ("transformers==4.46.*", "tokenizers==0.20.*", "huggingface-hub<1")
MODELS = ("nano", "tiny_t5", "tiny_llama")
DTYPES = ("float32", "bfloat16")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with transformers 4.46, to be put before our packages, of which it uses torch and the rest."""
    folder = tmp_path_factory.mktemp("transformers_4")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    install = [*pip, "--no-deps", "--retries", "1", "--target", str(folder), *OLD]
    done = subprocess.run(install, capture_output=True, text=True)
    if "Could not find a version" in done.stderr:
        pytest.skip(f"no package index has {OLD[0]}: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder of exports, called like `nano-float32`."""
    folder = tmp_path_factory.mktemp("exports")
    for name in MODELS:
        start = {"from": "nano"}
        if name != "nano":
            start = {"from": "instructblip", "path": str(request.getfixturevalue(name))}
        for dtype in DTYPES:
            options = ModelOptions.model_validate({"init": start, "frozen_dtype": dtype})
            model = build_model(options, seed=0)
            export(model, load_tokenizers(options), "", folder / f"{name}-{dtype}")
    return folder


def read_all(exports: Path, out: Path, before: Path | None) -> tuple[str, dict[str, Any]]:
    """The version that read them, and what it found, by folder; `before` is put before our packages."""
    path = {} if before is None else {"PYTHONPATH": str(before)}
    folders = sorted(map(str, exports.iterdir()))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(out), *folders],
        env=os.environ | path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    return found["version"], {Path(name).name: each for name, each in found["folders"].items()}


@pytest.mark.slow
def test_tokens_pixels_logits_and_texts_are_the_same(
    old: Path, exports: Path, tmp_path: Path
) -> None:
    version, theirs = read_all(exports, tmp_path / "old.json", old)
    assert version.startswith("4.46.")
    _, ours = read_all(exports, tmp_path / "ours.json", None)
    assert len(ours) == len(MODELS) * len(DTYPES)
    for name, wanted in ours.items():
        found = theirs[name]
        for key in ("input_ids", "qformer_input_ids", "written", "text", "dtypes"):
            assert found[key] == wanted[key], (name, key)
        assert found["dtypes"] == [f"torch.{name.rpartition('-')[2]}"]
        assert found["pixels"] == pytest.approx(wanted["pixels"], abs=1e-5), name
        assert found["logits"] == pytest.approx(wanted["logits"], abs=2e-4), name
