"""The arguments that all benchmarks share."""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.report import RESULTS


@dataclass(frozen=True)
class Settings:
    """`source` is a new folder for what is read, `scratch` one for what is written.

    `given` has every argument, a script's own too.
    """

    rows: int
    repetitions: int
    source: Path
    scratch: Path
    out: Path
    given: argparse.Namespace


@contextmanager
def settings(
    name: str,
    question: str,
    rows: int,
    repetitions: int = 5,
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None,
) -> Iterator[Settings]:
    """The settings of this run; its folders go when the block ends."""
    parser = argparse.ArgumentParser(f"python -m benchmarks.{name}", description=question)
    parser.add_argument("--rows", type=int, default=rows, metavar="N", help=f"{rows:,} by default")
    parser.add_argument("--repetitions", type=int, default=repetitions, metavar="R")
    parser.add_argument("--scratch", metavar="DIR", help="for inputs and outputs; they are removed")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json", metavar="FILE.json")
    if add_arguments is not None:
        add_arguments(parser)
    parsed = parser.parse_args()
    if parsed.scratch:
        Path(parsed.scratch).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=parsed.scratch) as folder:
        source, scratch = Path(folder, "source"), Path(folder, "scratch")
        source.mkdir()
        scratch.mkdir()
        yield Settings(parsed.rows, parsed.repetitions, source, scratch, parsed.out, parsed)
