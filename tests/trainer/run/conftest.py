"""Whole runs of the trainer: real processes, the real DeepSpeed engine, tiny models, the sample's data."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from datagen.build.options import make_options
from datagen.sample.write import write_sample
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build
from trainer.config.shipped import shipped_folder

SIDE = 28


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, built with its images inside."""
    folder = tmp_path_factory.mktemp("dataset")
    write_sample(folder / "raw", num_scenes=30)
    options = make_options(
        raw=str(folder / "raw"), out=str(folder / "instruct"), images="embed", image_max_side=96
    )
    build(options, beam_options([], []))
    return folder / "instruct"


@dataclass(frozen=True)
class Setup:
    """A configuration file in a folder of its own, and what starts it."""

    folder: Path
    config: Path
    cold: Any
    """Starts commands; see the fixture."""

    def start(
        self, *overrides: str, processes: int = 1, launcher: str = "torchrun", **variables: str
    ) -> "subprocess.Popen[str]":
        """Start a run by a launcher; its output goes to the returned process's pipes."""
        started: subprocess.Popen[str] = self.cold.start(
            command(launcher, processes, [str(self.config), *overrides]), **variables
        )
        return started

    def run(
        self, *overrides: str, processes: int = 1, launcher: str = "torchrun", **variables: str
    ) -> Any:
        """Run by a launcher, to the end."""
        line = command(launcher, processes, [str(self.config), *overrides])
        return self.cold.run(line, **variables)

    def output(self, name: str = "run") -> Path:
        return self.folder / name


@dataclass(frozen=True)
class Plan:
    """A run into the folder `name`; with a cut, it resumes from what that run had saved at that step."""

    name: str
    overrides: tuple[str, ...] = ()
    cut: tuple[str, int] | None = None


def command(launcher: str, processes: int, arguments: Sequence[str]) -> list[str]:
    if processes == 1 and launcher == "torchrun":
        return [sys.executable, "-m", "trainer.train", *arguments]
    if launcher == "torchrun":
        return [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
            *("-m", "trainer.train", *arguments),
        ]
    if launcher == "visinstruct":
        visinstruct = [sys.executable, "-m", "pipelines.cli", "train"]
        return [*visinstruct, "--processes", str(processes), *arguments]
    from trainer.launch.distributed import free_port

    return [
        *(sys.executable, "-m", "deepspeed.launcher.runner", "--num_gpus", str(processes)),
        *("--master_port", str(free_port()), "--module", "trainer.train", *arguments),
    ]


@pytest.fixture
def setup(tmp_path: Path, dataset: Path, tiny_t5: Path, cold: Any) -> Setup:
    return write_setup(tmp_path, dataset, tiny_t5, cold)


@pytest.fixture(scope="module")
def shared_setup(
    tmp_path_factory: pytest.TempPathFactory, dataset: Path, tiny_t5: Path, cold: Any
) -> Setup:
    """One folder for the tests of a module, for runs that several of them look at."""
    return write_setup(tmp_path_factory.mktemp("runs"), dataset, tiny_t5, cold)


def write_setup(folder: Path, dataset: Path, model: Path, cold: Any) -> Setup:
    config = folder / "tiny.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": "tiny",
                "output": str(folder / "run"),
                "device": "cpu",
                "model": {
                    "init": {"from": "instructblip", "path": str(model)},
                    "qformer_dropout": 0.0,
                },
                "data": {
                    "dataset": str(dataset),
                    "image_side": SIDE,
                    "workers": 0,
                    "cache_dir": str(folder / "cache"),
                    "reserve_rows": 8,
                },
                "batch": {"global_size": 8, "micro_size": 4},
                "optimizer": {"steps": 6, "learning_rate": 1e-3, "warmup_steps": 1},
                "precision": {"compute": "fp32"},
                "deepspeed": str(shipped_folder() / "deepspeed/zero2.json"),
                "validation": None,
                "checkpoint": {"every": 2, "keep": 3},
                "logging": {"every": 1},
            }
        )
    )
    return Setup(folder, config, cold)


@pytest.fixture(scope="session")
def read_events() -> Callable[[Path, str], list[dict[str, Any]]]:
    return events


def events(output: Path, kind: str = "step") -> list[dict[str, Any]]:
    """The lines of one kind in a run's log."""
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == kind]


@pytest.fixture(scope="session")
def wait_for_file_with() -> Callable[..., None]:
    """Waits until a file holds some text, while a process that writes it lives."""

    def wait(path: Path, text: str, process: "subprocess.Popen[str]", timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while not path.exists() or text not in path.read_text():
            assert time.monotonic() < deadline, f"{path} has no {text!r}"
            assert process.poll() is None, process.communicate()[0]
            threading.Event().wait(0.05)

    return wait


@pytest.fixture(scope="session")
def processes_of() -> Callable[[str], list[int]]:
    """The training processes, by rank, that have some argument."""
    return training_processes


def training_processes(argument: str) -> list[int]:
    found = []
    for folder in os.listdir("/proc"):
        try:
            with open(f"/proc/{folder}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            with open(f"/proc/{folder}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
        except (OSError, ValueError):
            continue
        if argument.encode() in arguments and b"trainer.train" in arguments:
            found += [(int(v[5:]), int(folder)) for v in variables if re.fullmatch(rb"RANK=\d+", v)]
    return [pid for _, pid in sorted(found)]


@pytest.fixture(scope="session")
def plan() -> type[Plan]:
    return Plan


@pytest.fixture
def run_many(warm: Any, setup: Setup) -> Callable[[int, Sequence[Plan]], dict[str, list[float]]]:
    """Losses of several runs by name, made one after the other by the same processes."""

    def run_many(processes: int, plans: Sequence[Plan]) -> dict[str, list[float]]:
        file, out = setup.folder / "plans.json", setup.folder / "losses.json"
        file.write_text(json.dumps([asdict(plan) for plan in plans]))
        arguments = map(str, (setup.config, file, out))
        started = warm.start_ranks(processes, "many_runs", *arguments)
        for process in started:
            process.end(400).check()
        losses: dict[str, list[float]] = json.loads(out.read_text())
        return losses

    return run_many


@pytest.fixture(scope="session")
def stage() -> Callable[[int], str]:
    """The override that takes a ZeRO stage."""
    return lambda number: f"deepspeed={shipped_folder()}/deepspeed/zero{number}.json"
