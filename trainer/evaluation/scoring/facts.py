"""`evaluation.json`: model, dataset and rules of an evaluation, written before inference, read by scoring."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from pydantic import ValidationError

from templates.evaluation import Evaluation
from trainer.errors import EvaluationError
from trainer.evaluation.predictions.json_files import Versioned, read_json

RUN_FILE = "evaluation.json"
VERSION = 1


class TaskFacts(Struct, frozen=True, kw_only=True, rename={"num_requests": "num_asked"}):
    """One task: its prompt, records and rules.

    num_records    in the split
    num_requests   `num_asked` in the file: fewer than records under a limit
    num_cut        prompts that the Q-Former truncates
    num_answers    of the vocabulary that is ranked; 0 where none is
    hidden         a server scores the split
    stands_in_for  the split of the protocol that this one stands in for
    """

    task: str
    source: str
    split: str
    protocol: str
    protocol_sha256: str
    prompt: str
    rules: Mapping[str, Any]
    split_sha256: str
    num_records: int
    num_requests: int
    num_cut: int = 0
    num_answers: int = 0
    hidden: bool = False
    stands_in_for: str | None = None

    def evaluation(self) -> Evaluation:
        """The rules.

        Raises:
            EvaluationError: they were changed since they were written.
        """
        try:
            return Evaluation.model_validate(self.rules)
        except ValidationError as error:
            first = error.errors()[0]
            raise EvaluationError(
                f"task {self.task}: its rules in {RUN_FILE} are corrupt "
                f"({'.'.join(map(str, first['loc']))}: {first['msg'].lower()}); evaluate into a new folder"
            ) from None


class RunFacts(Versioned, frozen=True, kw_only=True):
    """The evaluation: model, dataset, and options that change answers; then its tasks."""

    schema_version: int = VERSION
    name: str
    model: Mapping[str, Any]
    dataset: Mapping[str, Any]
    batch_size: int
    limit: int | None
    backbone: str | None
    captions: str
    tasks: Mapping[str, TaskFacts]
    left_out: Mapping[str, str]
    versions: Mapping[str, str]
    device: str
    date: str


def read_run_facts(folder: Path) -> RunFacts:
    """Read the `evaluation.json` of a folder.

    Raises:
        EvaluationError: there is none, or it is corrupt or of another version.
    """
    return read_json(
        folder / RUN_FILE,
        RunFacts,
        VERSION,
        absent=f"{folder} holds no evaluation: it has no {RUN_FILE}; give the --output of one",
        remedy="evaluate again into a new folder",
    )
