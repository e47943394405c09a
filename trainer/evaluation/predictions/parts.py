"""Predictions of an unfinished task: each process writes them window by window, so that a kill loses little.

    DIR/parts/gqa/done.jsonl         whole windows of earlier starts
    DIR/parts/gqa/process-00003.jsonl   whole windows of this start, in order

A window is a range of rows that one process predicts at a time. Its lines are written together when it is
finished; an incomplete window of a killed process is dropped, and predicted again.
"""

import heapq
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from trainer.errors import EvaluationError
from trainer.evaluation.predictions.prediction import (
    Prediction,
    encode_line,
    read_predictions,
    write_predictions,
)

FOLDER = "parts"
_DONE = "done.jsonl"


class Parts:
    """The predictions of one task so far. `num_records` in windows of `window` rows."""

    def __init__(self, output: Path, task: str, num_records: int, window: int) -> None:
        self.folder = output / FOLDER / task
        self._num_records, self._window = num_records, window

    @property
    def num_windows(self) -> int:
        return -(-self._num_records // self._window)

    def rows(self, window: int) -> range:
        first = window * self._window
        return range(first, min(first + self._window, self._num_records))

    def gather(self) -> set[int]:
        """Bring whole windows of all earlier processes into one file; returns which those are.

        One process calls this, before any of them writes.

        Raises:
            EvaluationError: a file is corrupt otherwise than by a kill.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        files = self._files()
        for file in files:
            _drop_torn_line(file)
        found: dict[int, list[int]] = {}
        for each in _in_order(files):
            found.setdefault(each.number // self._window, []).append(each.number)
        done = {window for window, numbers in found.items() if numbers == list(self.rows(window))}
        kept = (each for each in _in_order(files) if each.number // self._window in done)
        write_predictions(self.folder / _DONE, kept)
        for file in files:
            if file.name != _DONE:
                file.unlink()
        return done

    def append(self, rank: int, predictions: Sequence[Prediction]) -> None:
        """Write the predictions of one window; windows of a process come in order."""
        lines = b"".join(map(encode_line, sorted(predictions, key=lambda each: each.number)))
        with (self.folder / f"process-{rank:05d}.jsonl").open("ab") as file:
            file.write(lines)

    def finish(self, target: Path) -> None:
        """All predictions in the order of their records become `target`, and the parts go.

        Raises:
            EvaluationError: predictions are missing or there twice.
        """
        write_predictions(target, self._checked())
        shutil.rmtree(self.folder)
        with suppress(OSError):  # others are not finished
            self.folder.parent.rmdir()

    def _checked(self) -> Iterator[Prediction]:
        expected = 0
        for each in _in_order(self._files()):
            if each.number != expected:
                raise EvaluationError(
                    f"{self.folder}: the prediction of record {expected:,} is "
                    f"{'missing' if each.number > expected else 'a duplicate'}; do all "
                    f"processes write to the same folder? Remove {self.folder} and resume with --resume"
                )
            expected += 1
            yield each
        if expected != self._num_records:
            raise EvaluationError(
                f"{self.folder}: {expected:,} predictions of {self._num_records:,} records; do all processes "
                "write to the same folder?"
            )

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"))


def _in_order(files: Sequence[Path]) -> Iterator[Prediction]:
    return heapq.merge(*map(read_predictions, files), key=lambda each: each.number)


def _drop_torn_line(file: Path) -> None:
    """A killed process, or a full disk, may leave half a line at the end."""
    with file.open("rb+") as opened:
        size = opened.seek(0, 2)
        end = size
        while end:
            start = max(end - (1 << 16), 0)
            opened.seek(start)
            at = opened.read(end - start).rfind(b"\n")
            if at >= 0:
                end = start + at + 1
                break
            end = start
        if end < size:
            opened.truncate(end)
