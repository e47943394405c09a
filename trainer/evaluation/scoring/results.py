"""`results.json`: the numbers of an evaluation, with all that a reader must know to trust them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from trainer.evaluation.predictions.json_files import Versioned, read_json

RESULTS_FILE = "results.json"
SCHEMA_VERSION = 1


class Value(Struct, frozen=True):
    """A number as it is printed (percent), and its standard error, by bootstrap over groups.

    Either is None where it would be NaN: nothing to score, or a single group.
    """

    value: float | None
    stderr: float | None = None


class TaskResult(Struct, frozen=True, kw_only=True, rename={"num_requests": "num_asked"}):
    """One task. `headline` is a key of `values`; those are empty where a server scores.

    status           `server`: the answers of the split are hidden, a server scores it
    num_scored       records that count, of `num_requests` (`num_asked` in the file), of `num_records` in the split, of
                     `expected_records` that the published split has
    comparable       whether the headline may stand beside the paper's number at all
    differences      from the paper's evaluation, one sentence each
    notes            on this score: tokenizer, empty outputs, records left out
    server           who scores the protocol's split, where its answers are hidden
    stands_in_for    the protocol's split, where another one was evaluated
    paper            the paper's numbers for this backbone, by model
    """

    source: str
    split: str
    protocol: str
    protocol_sha256: str
    split_sha256: str
    metric: str
    normaliser: str
    method: str
    status: Literal["scored", "server"]
    headline: str
    values: Mapping[str, Value]
    by: Mapping[str, Mapping[str, Value]]
    num_scored: int
    num_requests: int
    num_records: int
    expected_records: int | None
    comparable: bool
    stands_in_for: str | None
    server: str | None
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    paper: Mapping[str, float | None]

    @property
    def score(self) -> Value | None:
        return self.values.get(self.headline) if self.status == "scored" else None


class Average(Struct, frozen=True, kw_only=True):
    """The mean over the paper's sets; `lacking` are those without a score here, then there is no value.

    `other_splits` are sets of which another split than the paper's is in it.
    """

    value: float | None
    sets: tuple[str, ...]
    lacking: tuple[str, ...]
    other_splits: tuple[str, ...]
    paper: Mapping[str, float | None]


class Results(Versioned, frozen=True, kw_only=True):
    """All tasks of an evaluation by name, in the order in which they ran.

    `left_out` gives the reasons why tasks did not run, `failed` why others have no score.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    date: str
    device: str
    model: Mapping[str, Any]
    dataset: Mapping[str, Any]
    backbone: str | None
    batch_size: int
    limit: int | None
    tasks: Mapping[str, TaskResult]
    left_out: Mapping[str, str]
    failed: Mapping[str, str] = {}
    averages: Mapping[str, Average]
    versions: Mapping[str, str]


def read_results(folder: Path) -> Results:
    """The results in an evaluation's folder.

    Raises:
        EvaluationError: there are none, or they are corrupt or of another version.
    """
    again = f"`visinstruct score {folder}` makes it"
    return read_json(
        folder / RESULTS_FILE,
        Results,
        SCHEMA_VERSION,
        absent=f"{folder} holds no {RESULTS_FILE}; {again} of the samples",
        remedy=f"{again} again",
    )
