"""Benchmarks run to their end at a toy size, so that none rots; rates of such a run mean nothing."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from benchmarks.harness import measure

ROOT = Path(__file__).resolve().parents[2]
SHARED_ARGUMENTS = ("--repetitions", "1")
TOY = {
    "build_all": ("--share", "0.00001", "--sources", "okvqa,web_capfilt,llava_detail"),
    "build_scale": ("--rows", "200"),
    "captions": ("--rows", "40", "--repetitions", "1"),
    "train_step": (
        *("--model", "nano", "--lengths", "32+16", "--samples", "1", "--steps", "2"),
        *("--repetitions", "1", "--contestants", "ours"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TOY))
def test_a_benchmark_runs_to_its_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = importlib.import_module(f"benchmarks.{name}")
    out = tmp_path / "results.json"
    arguments = [*TOY[name], "--scratch", str(tmp_path / "scratch"), "--out", str(out)]
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setattr(measure, "PATIENCE_SECONDS", 0)
    script.main()
    assert json.loads(out.read_text(encoding="utf-8"))
