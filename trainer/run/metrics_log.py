"""The log of a run: a line of JSON for each logged step and event, a terminal line, TensorBoard, wandb.

`RUN/metrics.jsonl` is always written; `logging.every` says which steps are logged. A resumed run drops the lines past
the step that it resumes from, so that no step stands in it twice.
"""

import json
import math
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from datagen.files import write_atomically
from trainer.config.run import LoggingOptions
from trainer.errors import ConfigError
from trainer.launch.terminal import Terminal


class Sink(Protocol):
    """A destination of numbers besides the JSON lines."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class Metrics:
    """The log of one run; only the first process has one."""

    def __init__(
        self, folder: Path, name: str, steps: int, start: int, options: LoggingOptions
    ) -> None:
        self.path = folder / "metrics.jsonl"
        _drop_after(self.path, start)
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 (closed by `close`)
        self._sinks = _sinks(folder, name, start, options)
        self._terminal = Terminal(name, steps, start)

    def write(self, event: str, step: int, **numbers: Any) -> None:
        """Write one event: `step`, `skipped`, `validation`, `checkpoint`, `start`, `end` or `replaced`."""
        line = {
            "event": event,
            "step": step,
            **{key: _plain(value) for key, value in numbers.items()},
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        flat = {f"{event}/{key}": value for key, value in _flat(numbers).items()}
        for sink in self._sinks:
            sink.write(step, flat)

    def show(self, step: int, numbers: Mapping[str, float]) -> None:
        self._terminal.show(step, numbers)

    def log(self, sentence: str) -> None:
        self._terminal.log(sentence)

    def close(self) -> None:
        self._terminal.close()
        for sink in self._sinks:
            sink.close()
        self._file.close()


def _plain(value: Any) -> Any:
    """JSON has no NaN: null stands for what is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def _flat(numbers: Mapping[str, Any], place: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{place}{key}/")
        elif isinstance(value, int | float):
            found[place + key] = float(value)
    return found


def _drop_after(path: Path, step: int) -> None:
    """Keep what was logged up to `step`; a line that a kill cut off goes as well."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            logged = json.loads(line)
        except ValueError:
            continue
        if logged["step"] <= step and logged["event"] != "end":
            kept.append(line)
    with write_atomically(path) as file:
        file.write("".join(f"{line}\n" for line in kept).encode())


def _sinks(folder: Path, name: str, start: int, options: LoggingOptions) -> list[Sink]:
    sinks: list[Sink] = []
    if options.tensorboard:
        sinks.append(_TensorBoard(folder / "tensorboard", start))
    if options.wandb:
        sinks.append(_WeightsAndBiases(options.wandb, name, folder))
    return sinks


class _TensorBoard:
    def __init__(self, folder: Path, start: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "logging.tensorboard needs `pip install visinstruct[tensorboard]`"
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=start + 1)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


def wandb_id(folder: Path, name: str) -> str:
    """The id of a run's folder at wandb, drawn when the run first starts: runs of one name stay apart."""
    path = folder / "wandb-id"
    if not path.exists():
        with write_atomically(path) as file:
            file.write(f"{name}-{secrets.token_hex(4)}\n".encode())
    return path.read_text(encoding="utf-8").strip()


class _WeightsAndBiases:
    def __init__(self, project: str, name: str, folder: Path) -> None:
        try:
            import wandb  # type: ignore[import-not-found]
        except ImportError:
            raise ConfigError("logging.wandb needs `pip install visinstruct[wandb]`") from None
        self._run = wandb.init(
            project=project, name=name, dir=str(folder), id=wandb_id(folder, name), resume="allow"
        )

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()
