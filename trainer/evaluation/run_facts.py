"""An evaluation's own file, `evaluation.json`: filled before the first record, compared when it is resumed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace

from datagen.schema.manifest import Manifest
from trainer.errors import EvaluationError
from trainer.evaluation.metrics.table import resolved_captions
from trainer.evaluation.predictions.json_files import write_json
from trainer.evaluation.scoring.facts import RUN_FILE, RunFacts, TaskFacts, read_run_facts
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.evaluation.tasks.paper import backbone_of
from trainer.evaluation.tasks.records import SplitRecords
from trainer.evaluation.tasks.tasks import Chosen, Task
from trainer.launch.distributed import World


def make_facts(
    options: EvaluationOptions,
    manifest: Manifest,
    chosen: Chosen,
    splits: Mapping[str, SplitRecords],
    model: Mapping[str, Any],
    world: World,
) -> RunFacts:
    return RunFacts(
        name=options.output.resolve().name,
        model={"name": _model_name(options.model), **model},
        dataset={
            "path": options.data,
            "content_hash": manifest.content_hash,
            "template_hash": manifest.template_hash,
            "notes": list(manifest.notes),
        },
        batch_size=options.batch_size,
        limit=options.limit,
        backbone=options.backbone or backbone_of(model),
        captions=resolved_captions(options.captions),
        tasks={
            task.name: _task_facts(task, splits[task.name], options.limit) for task in chosen.tasks
        },
        left_out=chosen.left_out,
        versions={name: version(name) for name in ("visinstruct", "torch", "transformers")},
        device=_device_name(world),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _task_facts(task: Task, records: SplitRecords, limit: int | None) -> TaskFacts:
    digest = task.protocol.hash
    assert digest is not None  # it has rules
    return TaskFacts(
        task=task.name,
        source=task.source,
        split=task.split,
        protocol=task.protocol.name,
        protocol_sha256=digest,
        prompt=task.protocol.prompt.source,
        rules=task.rules.model_dump(mode="json", exclude_unset=True),
        split_sha256=records.sha256,
        num_records=len(records),
        num_requests=min(limit or len(records), len(records)),
        hidden=task.hidden,
        stands_in_for=task.rules.split if task.split != task.rules.split else None,
    )


def _model_name(place: str) -> str:
    """Return a folder's own name, or the Hub's `owner/name`."""
    return Path(place).resolve().name if Path(place).exists() else place


def _device_name(world: World) -> str:
    if world.device.type == "cuda":
        return f"{world.size} x {torch.cuda.get_device_name(world.device)}"
    return f"{world.size} x cpu, {torch.get_num_threads()} threads"


def begin(options: EvaluationOptions, facts: RunFacts, world: World) -> None:
    """Write `evaluation.json`, or resume the evaluation in the folder; collective.

    Raises:
        EvaluationError: the folder holds a different evaluation.
    """
    if world.is_first:
        path = options.output / RUN_FILE
        if path.exists():
            before = read_run_facts(options.output)
            check_resumable(before, facts, options.output)
            tasks = {**before.tasks, **facts.tasks}
            left_out = {**before.left_out, **facts.left_out}
            facts = replace(
                facts,
                tasks=tasks,
                left_out={name: why for name, why in left_out.items() if name not in tasks},
                date=before.date,
            )
        write_json(path, facts)
    world.wait()


def check_resumable(before: RunFacts, now: RunFacts, folder: Path) -> None:
    """Check that an evaluation can be resumed: the same model, dataset and rules. Tasks may be new.

    Raises:
        EvaluationError: names every difference.
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
