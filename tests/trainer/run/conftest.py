"""Whole runs of the trainer: real processes, the real DeepSpeed engine, tiny models, the sample's data."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
MANY_RUNS = Path(__file__).with_name("many_runs.py")


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

    def run_many(self, processes: int, plans: Sequence["Plan"]) -> dict[str, list[float]]:
        """Losses of several runs by name, made one after the other by the processes of one launch."""
        file, out = self.folder / "plans.json", self.folder / "losses.json"
        file.write_text(json.dumps([asdict(plan) for plan in plans]))
        ended = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "torch.distributed.run",
                    "--nproc-per-node",
                    str(processes),
                ),
                *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
                *(str(MANY_RUNS), str(self.config), str(file), str(out)),
            ],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        losses: dict[str, list[float]] = json.loads(out.read_text())
        return losses


@dataclass(frozen=True)
class Plan:
    """A run into the folder `name`; with a cut, it resumes from what that run had saved at that step."""

    name: str
    overrides: tuple[str, ...] = ()
    cut: tuple[str, int] | None = None


@dataclass(frozen=True)
class Ended:
    status: int
    printed: str

    def check(self) -> "Ended":
        assert self.status == 0, self.printed
        return self


class WarmProcess:
    """A training process, leader of its own group, forked from one that has imported everything."""

    def __init__(self, starter: "WarmStarter", pid: int, printed: Path) -> None:
        self._starter, self.pid, self._printed = starter, pid, printed
        self.status: int | None = None

    def poll(self) -> int | None:
        if self.status is None:
            self.status = self._starter.ask({"pid": self.pid})
        return self.status

    @property
    def printed(self) -> str:
        return self._printed.read_text()

    def wait_for(self, words: str, timeout: float = 120) -> None:
        """Wait until it has printed `words`."""
        deadline = time.monotonic() + timeout
        while words not in self.printed:
            assert self.poll() is None and time.monotonic() < deadline, self.printed
            threading.Event().wait(0.02)

    def end(self, timeout: float = 120) -> Ended:
        """Wait for its end; it is killed after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.poll() is None and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        late = self.poll() is None
        self.kill()
        assert not late, f"still there after {timeout} s:\n{self.printed}"
        assert self.status is not None
        return Ended(self.status, self.printed)

    def kill(self) -> None:
        """The whole group, with -9."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        while self.poll() is None:
            threading.Event().wait(0.01)


class WarmStarter:
    """Starts training processes in a fraction of a second; see `warm_starts.py`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._started: list[WarmProcess] = []
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm_starts.py"))],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: dict[str, Any]) -> Any:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, setup: Setup, *arguments: str, **variables: str) -> WarmProcess:
        self._number += 1
        printed = self._folder / f"printed-{self._number}"
        pid = self.ask(
            {
                "arguments": [str(setup.config), *arguments],
                "variables": variables,
                "printed": str(printed),
            }
        )
        printed.touch()
        self._started.append(WarmProcess(self, pid, printed))
        return self._started[-1]

    def run(self, setup: Setup, *arguments: str, **variables: str) -> Ended:
        return self.start(setup, *arguments, **variables).end()

    def start_all(
        self, setup: Setup, count: int, *arguments: str, **variables: str
    ) -> list[WarmProcess]:
        """The processes of one run, by rank, with nothing above them that ends some with others."""
        from trainer.launch.distributed import free_port

        together = variables | {
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
        }
        return [
            self.start(setup, *arguments, RANK=str(r), LOCAL_RANK=str(r), **together)
            for r in range(count)
        ]

    def close(self) -> None:
        """End it, and whatever a test that failed has left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStarter]:
    starter = WarmStarter(tmp_path_factory.mktemp("printed"))
    yield starter
    starter.close()


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


def environment(**variables: str) -> dict[str, str]:
    bare = {
        k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "RANK", "WORLD_SIZE"))
    }
    return bare | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", **variables}


def end_group(process: "subprocess.Popen[str]") -> None:
    """No process of a run outlives its test."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
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


@pytest.fixture(scope="session")
def stage() -> Callable[[int], str]:
    """The override that takes a ZeRO stage."""
    return lambda number: f"deepspeed={shipped_folder()}/deepspeed/zero{number}.json"
