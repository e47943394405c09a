"""What an evaluation was made of: written before the first record is asked, read by whoever scores it."""

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


class TaskFacts(Struct, frozen=True, kw_only=True):
    """One task: what was asked, of which records, under which rules.

    num_records    in the split
    num_asked      fewer under a limit
    num_cut        prompts whose beginning the Q-Former does not see
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
    num_asked: int
    num_cut: int = 0
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
                f"task {self.task}: its rules in {RUN_FILE} are damaged "
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
    """What the evaluation in `folder` was made of.

    Raises:
        EvaluationError: there is none, or it is damaged or of another version.
    """
    return read_json(
        folder / RUN_FILE,
        RunFacts,
        VERSION,
        absent=f"{folder} holds no evaluation: it has no {RUN_FILE}; give the --output of one",
        remedy="evaluate again into a new folder",
    )


def check_goes_on(before: RunFacts, now: RunFacts, folder: Path) -> None:
    """Whether an evaluation may go on in a folder: the same model, dataset and rules. Tasks may be new.

    Raises:
        EvaluationError: says what differs.
    """
    differing = [
        f"{name} ({old!r}, now {new!r})"
        for name, old, new in (
            ("weights", before.model.get("weights_sha256"), now.model.get("weights_sha256")),
            ("dtype", before.model.get("dtype"), now.model.get("dtype")),
            (
                "instruction in the Q-Former",
                before.model.get("reads_instruction"),
                now.model.get("reads_instruction"),
            ),
            ("--attention", before.model.get("attention"), now.model.get("attention")),
            ("dataset", before.dataset.get("content_hash"), now.dataset.get("content_hash")),
            ("--batch-size", before.batch_size, now.batch_size),
            ("--limit", before.limit, now.limit),
        )
        if old != new
    ]
    for name, task in now.tasks.items():
        old_task = before.tasks.get(name)
        if old_task is not None and old_task.protocol_sha256 != task.protocol_sha256:
            differing.append(f"the protocol of {name}")
        if old_task is not None and old_task.split_sha256 != task.split_sha256:
            differing.append(f"the split of {name}")
    if differing:
        raise EvaluationError(
            f"{folder} holds another evaluation; it differs in {'; '.join(differing)}. Give another --output"
        )
