"""Training and evaluation of a dataset in a bucket, with their outputs there."""

import os
import subprocess
import sys

import pytest

from datagen.sample.write import write_sample
from datagen.stores.store import StoreFiles
from pipelines.cli.main import main

pytestmark = pytest.mark.slow


def run(*arguments, **variables):
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables)


def test_a_run_in_a_bucket_resumes_on_another_host_and_is_evaluated(bucket, tmp_path):
    raw = tmp_path / "raw"
    write_sample(raw, num_scenes=12, sources=("vqav2", "vsr"))
    assert main(["build", "--raw", str(raw), "--out", f"{bucket}/set", "--images", "embed"]) == 0
    options = (
        "configs/nano_cpu.yaml",
        f"data.dataset={bucket}/set",
        f"output={bucket}/run",
        "optimizer.warmup_steps=1",
        "checkpoint.every=2",
        "batch.global_size=8",
        "batch.micro_size=8",
        "validation=null",
        "data.sources=[vqav2]",
    )
    first = run("train", *options, "optimizer.steps=2", TMPDIR=str(tmp_path / "one"))
    assert first.returncode == 0, first.stderr
    second = run("train", *options, "optimizer.steps=4", TMPDIR=str(tmp_path / "two"))
    assert second.returncode == 0, second.stderr
    assert "resuming from" in second.stderr + second.stdout
    names = {path[len(bucket) + 1 :] for path in StoreFiles().below(bucket)}
    assert "run/checkpoints/step-00000004/state.json" in names
    scored = run(
        "evaluate",
        "--model",
        f"{bucket}/run",
        "--data",
        f"{bucket}/set",
        "--tasks",
        "vsr",
        "--limit",
        "4",
        "--output",
        f"{bucket}/scores",
        TMPDIR=str(tmp_path / "three"),
    )
    assert scored.returncode == 0, scored.stderr
    names = {path[len(bucket) + 1 :] for path in StoreFiles().below(f"{bucket}/scores")}
    assert {"scores/results.json", "scores/samples_vsr.jsonl", "scores/report.html"} <= names
    assert not any(path.endswith(".lock") for path in StoreFiles().below(bucket))
