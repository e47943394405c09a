"""Whole evaluations of the nano model in processes of their own: several, and killed."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

TASKS = "gqa,visdial,nocaps,msvd_qa"


def arguments(data: Path, output: Path) -> list[str]:
    return [
        *("--model", "nano", "--data", str(data), "--tasks", TASKS, "--output", str(output)),
        *("--batch-size", "8", "--captions", "own", "--device", "cpu"),
    ]


def samples(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("samples_*.jsonl")}


@pytest.fixture(scope="module")
def alone(warm: Any, evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evaluation of one process."""
    folder = tmp_path_factory.mktemp("alone") / "scores"
    printed = warm.start_program("evaluate", *arguments(evaluated, folder)).end().check().printed
    assert "exact match" in printed and "MRR" in printed and "report:" in printed
    return folder


def test_two_processes_give_the_same_samples(
    cold: Any, alone: Path, evaluated: Path, tmp_path: Path
) -> None:
    evaluate = [sys.executable, "-m", "pipelines.cli", "evaluate", "--processes", "2"]
    cold.run([*evaluate, *arguments(evaluated, tmp_path / "scores")]).check()
    assert samples(tmp_path / "scores") == samples(alone)


def test_killed_again_and_again_it_resumes_to_the_same_samples(
    warm: Any, alone: Path, evaluated: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scores"
    kills = 0
    for _ in range(40):
        process = warm.start_program("evaluate", *arguments(evaluated, output), "--resume")
        before = written(output)
        while process.poll() is None and written(output) <= before:
            time.sleep(0.005)
        if process.poll() is None:
            process.kill()
            kills += 1
        if process.status == 0:
            break
        assert process.status == -signal.SIGKILL, process.printed
    assert process.status == 0 and kills >= 3
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
