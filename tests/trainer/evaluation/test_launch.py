"""Whole evaluations of the nano model in processes of their own: several, killed, started by DeepSpeed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TASKS = "gqa,visdial,nocaps,msvd_qa"


def command(data: Path, output: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pipelines.cli", "evaluate", "--model", "nano"),
        *("--data", str(data), "--tasks", TASKS, "--output", str(output)),
        *("--batch-size", "8", "--captions", "own", "--device", "cpu", *more),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}


def run(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    ended = subprocess.run(
        arguments, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def samples(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("samples_*.jsonl")}


@pytest.fixture(scope="module")
def alone(evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evaluation of one process."""
    folder = tmp_path_factory.mktemp("alone") / "scores"
    printed = run(command(evaluated, folder)).stdout
    assert "exact match" in printed and "MRR" in printed and "report:" in printed
    return folder


def test_two_processes_give_the_same_samples(alone: Path, evaluated: Path, tmp_path: Path) -> None:
    run(command(evaluated, tmp_path / "scores", "--processes", "2"))
    assert samples(tmp_path / "scores") == samples(alone)


def test_killed_again_and_again_it_goes_on_to_the_same_samples(
    alone: Path, evaluated: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scores"
    kills = 0
    for _ in range(40):
        process = subprocess.Popen(
            command(evaluated, output, "--resume"),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        before = written(output)
        while process.poll() is None and written(output) <= before:
            time.sleep(0.005)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        assert process.stderr is not None
        told = process.stderr.read().decode()
        process.wait()
        process.stderr.close()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, told
    assert process.returncode == 0 and kills >= 3
    assert samples(output) == samples(alone)


def written(output: Path) -> int:
    """Bytes of all predictions so far; a file may be renamed meanwhile."""
    total = 0
    for path in [*output.glob("parts/*/*.jsonl"), *output.glob("samples_*.jsonl")]:
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
