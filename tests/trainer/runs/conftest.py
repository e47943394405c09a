"""Whole runs of the trainer: real processes, the real DeepSpeed engine, tiny models, the sample's data."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from datagen.options import make_options
from datagen.sample.write import write_sample
from pipelines.build import build
from trainer.config.shipped import shipped_folder

SIDE = 28


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, built with its pictures inside."""
    folder = tmp_path_factory.mktemp("dataset")
    write_sample(folder / "raw", num_scenes=30)
    options = make_options(
        raw=str(folder / "raw"), out=str(folder / "instruct"), images="embed", image_max_side=96
    )
    build(options)
    return folder / "instruct"


@dataclass(frozen=True)
class Setup:
    """A configuration file in a folder of its own, and what starts it."""

    folder: Path
    config: Path

    def start(
        self, *overrides: str, processes: int = 1, launcher: str = "torchrun", **variables: str
    ) -> "subprocess.Popen[str]":
        """Start a run; its output goes to the returned process's pipes."""
        return subprocess.Popen(
            command(launcher, processes, [str(self.config), *overrides]),
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *overrides: str, processes: int = 1, launcher: str = "torchrun", **variables: str
    ) -> "Ended":
        """Run to the end."""
        process = self.start(*overrides, processes=processes, launcher=launcher, **variables)
        try:
            printed, _ = process.communicate(timeout=300)
        finally:
            end_group(process)
        return Ended(process.returncode, printed)

    def output(self, name: str = "run") -> Path:
        return self.folder / name


@dataclass(frozen=True)
class Ended:
    status: int
    printed: str

    def check(self) -> "Ended":
        assert self.status == 0, self.printed
        return self


def command(launcher: str, processes: int, arguments: Sequence[str]) -> list[str]:
    if processes == 1 and launcher == "torchrun":
        return [sys.executable, "-m", "trainer.train", *arguments]
    if launcher == "torchrun":
        return [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
            *("-m", "trainer.train", *arguments),
        ]
    from trainer.distributed import free_port

    return [
        *(sys.executable, "-m", "deepspeed.launcher.runner", "--num_gpus", str(processes)),
        *("--master_port", str(free_port()), "--module", "trainer.train", *arguments),
    ]


def environment(**variables: str) -> dict[str, str]:
    bare = {
        k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "RANK", "WORLD_SIZE"))
    }
    return bare | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", **variables}


def end_group(process: "subprocess.Popen[str]") -> None:
    """No process of a run outlives its test."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


@pytest.fixture
def setup(tmp_path: Path, dataset: Path, tiny_t5: Path) -> Iterator[Setup]:
    yield write_setup(tmp_path, dataset, tiny_t5)


@pytest.fixture(scope="module")
def shared_setup(
    tmp_path_factory: pytest.TempPathFactory, dataset: Path, tiny_t5: Path
) -> Iterator[Setup]:
    """One folder for the tests of a module, for runs that several of them look at."""
    yield write_setup(tmp_path_factory.mktemp("runs"), dataset, tiny_t5)


def write_setup(folder: Path, dataset: Path, model: Path) -> Setup:
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
    return Setup(folder, config)


@pytest.fixture(scope="session")
def read_events() -> Callable[[Path, str], list[dict[str, Any]]]:
    return events


def events(output: Path, kind: str = "step") -> list[dict[str, Any]]:
    """The lines of one kind in a run's log."""
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == kind]


@pytest.fixture(scope="session")
def run_environment() -> Callable[..., dict[str, str]]:
    return environment
