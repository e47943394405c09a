"""An evaluation from its options to its table: checks first, then the model, then task after task."""

import dataclasses
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from datagen.schema.manifest import Manifest, read_manifest
from datagen.stores.any_files import AnyFiles
from trainer.data.reading.record_images import RecordImages
from trainer.evaluation.inference.infer import Inference
from trainer.evaluation.inference.loading import load_adapter
from trainer.evaluation.inference.preflight import Preflight
from trainer.evaluation.metrics.table import metric as metric_named
from trainer.evaluation.predictions.parts import FOLDER, Parts
from trainer.evaluation.predictions.prediction import (
    read_predictions,
    without_scores,
    write_predictions,
)
from trainer.evaluation.progress import Progress
from trainer.evaluation.run_facts import begin, make_facts
from trainer.evaluation.scoring.facts import (
    RUN_FILE,
    TaskFacts,
)
from trainer.evaluation.scoring.results import Results
from trainer.evaluation.scoring.scoring import samples_file, score_folder
from trainer.evaluation.scoring.submission import has_format, write_submission
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.evaluation.tasks.records import SplitRecords, read_vocabulary
from trainer.evaluation.tasks.tasks import Chosen, Task, choose_tasks, protocols_for
from trainer.launch.distributed import World
from trainer.launch.folder_lock import locked_folder

TWO_FORMS = ("aokvqa",)
WINDOW_BATCHES = 4
"""Batches of a window; what a killed process loses, and what is divided over processes."""


def run_evaluation(options: EvaluationOptions, world: World) -> Results | None:
    """Evaluate every task; collective. The first process returns the results, the others None.

    Raises:
        EvaluationError: names task, record and what to do.
    """
    files = AnyFiles()
    manifest = read_manifest(options.data.rstrip("/"), files)
    protocols = protocols_for(manifest, options.template_dir)
    chosen = choose_tasks(options.tasks, protocols, manifest, hidden_splits=options.submission)
    with locked_folder(
        options.output, world, "evaluation", lambda: _in_the_way(options.output, options.resume)
    ):
        return _evaluate(options, world, files, manifest, chosen)


def _in_the_way(folder: Path, resume: bool) -> str | None:
    """Return why an evaluation cannot be written into a folder, or None."""
    if (folder / RUN_FILE).exists():
        if resume:
            return None
        return f"{folder} holds an evaluation already; resume it with --resume, or give another --output"
    if (folder / FOLDER).exists() or any(folder.glob("samples_*.jsonl")):
        return f"{folder} holds predictions but no {RUN_FILE} that names their model; give another --output"
    return None


def _evaluate(
    options: EvaluationOptions, world: World, files: AnyFiles, manifest: Manifest, chosen: Chosen
) -> Results | None:
    splits = {task.name: _open(options, manifest, files, task, world) for task in chosen.tasks}
    chosen = Chosen(
        tuple(_with_hidden_answers(task, splits[task.name]) for task in chosen.tasks),
        chosen.left_out,
    )
    looks = [_preflight(options, manifest, files, task, splits) for task in chosen.tasks]
    if world.is_first:
        for look in looks:
            look.check(options.skip_unreadable)
    world.wait()
    adapter = load_adapter(
        options.model,
        options.overrides,
        device=world.device,
        dtype=_dtype(options, world),
        attention=options.attention,
    )
    cut = [look.check_fits(adapter) if world.is_first else 0 for look in looks]
    facts = make_facts(options, manifest, chosen, splits, adapter.facts, world)
    tasks = {
        look.task.name: replace(
            facts.tasks[look.task.name], num_cut=n, num_answers=len(look.vocabulary or ())
        )
        for look, n in zip(looks, cut, strict=True)
    }
    facts = replace(facts, tasks=tasks)
    begin(options, facts, world)
    progress = Progress(world.is_first)
    finished = [task.name for task in chosen.tasks if _is_finished(options.output, task)]
    finished = world.broadcast(
        finished
    )  # the first process has finished them, others may not see it yet
    responses = {task.inference: task.name for task in chosen.tasks if task.name in finished}
    for number, task in enumerate(chosen.tasks):
        if task.name in finished:
            continue
        if (same := responses.setdefault(task.inference, task.name)) != task.name:
            if world.is_first:
                _reuse(options.output, same, task.name)
            world.wait()
            continue
        inference = Inference(
            task=task,
            adapter=adapter,
            records=splits[task.name],
            images=RecordImages(options.image_roots, files),
            vocabulary=looks[number].vocabulary,
            batch_size=options.batch_size,
            skip_unreadable=options.skip_unreadable,
            num_threads=options.workers,
        )
        _ask(inference, options.output, facts.tasks[task.name], number, world, progress)
    if not world.is_first:
        world.wait()
        return None
    results = score_folder(options.output)
    _submit(options, chosen.tasks)
    world.wait()
    return results


def _with_hidden_answers(task: Task, records: SplitRecords) -> Task:
    """Mark a task on another split than its protocol's whose answers are all hidden: a server scores it."""
    other_split = task.split not in (task.rules.split, task.rules.validation_split)
    if task.hidden or not other_split or not has_format(task.source) or not len(records):
        return task
    is_hidden = all(record.references is None for record in records.texts())
    return dataclasses.replace(task, hidden=is_hidden)


def _reuse(output: Path, done: str, task: str) -> None:
    """Give `task` the responses of a finished task with the same inference."""
    write_predictions(samples_file(output, task), without_scores(samples_file(output, done)))
    shutil.rmtree(output / FOLDER / task, ignore_errors=True)
    print(f"{task}: scores the responses of {done}", file=sys.stderr, flush=True)


def _is_finished(output: Path, task: Task) -> bool:
    return samples_file(output, task.name).is_file()


def _open(
    options: EvaluationOptions, manifest: Manifest, files: AnyFiles, task: Task, world: World
) -> SplitRecords:
    """Open a split. The first process of a host verifies the shards, the others only their sizes."""
    verify = options.verify if world.launch.local_rank == 0 else "size"
    return SplitRecords(options.data, manifest, task.source, task.split, files, verify)


def _preflight(
    options: EvaluationOptions,
    manifest: Manifest,
    files: AnyFiles,
    task: Task,
    splits: Mapping[str, SplitRecords],
) -> Preflight:
    return Preflight(
        task,
        splits[task.name],
        metric_named(task.rules.metric, captions=options.captions),
        _vocabulary(options, manifest, files, task),
        options.limit,
        RecordImages(options.image_roots, files) if manifest.images == "reference" else None,
    )


def _vocabulary(
    options: EvaluationOptions, manifest: Manifest, files: AnyFiles, task: Task
) -> tuple[str, ...] | None:
    if task.rules.candidates != "vocabulary":
        return None
    splits = task.rules.vocabulary_splits
    return read_vocabulary(options.data, manifest, task.source, files, splits)


def _dtype(options: EvaluationOptions, world: World) -> Literal["float32", "bfloat16"]:
    if options.dtype != "auto":
        return options.dtype
    return "float32" if world.device.type == "cpu" else "bfloat16"


def _ask(
    inference: Inference,
    output: Path,
    facts: TaskFacts,
    number: int,
    world: World,
    progress: Progress,
) -> None:
    """Run one task on all processes; collective. Windows that an earlier run finished are kept."""
    window = inference.batch_size * WINDOW_BATCHES
    parts = Parts(output, facts.task, facts.num_requests, window)
    done: set[int] = world.broadcast(parts.gather() if world.is_first else None)
    left = [w for w in range(parts.num_windows) if w not in done]
    mine = left[(world.rank + number) % world.size :: world.size]
    num_mine = sum(len(parts.rows(w)) for w in mine)
    with progress.task(facts.task, facts.num_requests, num_mine):
        inference.run(parts, mine, world.rank, progress.add)
        world.wait()
        if world.is_first:
            parts.finish(samples_file(output, facts.task))
    world.wait()


def _submit(options: EvaluationOptions, tasks: Sequence[Task]) -> None:
    """Write the files for servers; A-OKVQA's holds the answers of both its tasks."""
    if options.limit is not None:
        return
    files: dict[str, list[Task]] = {}
    for task in tasks:
        if task.hidden:
            whole = task.source in TWO_FORMS
            name = task.source if whole else task.protocol.name.removesuffix(f".{task.split}")
            files.setdefault(f"{name}_{task.split}", []).append(task)
    for name, asked in files.items():
        path = options.output / "submission" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        samples = [samples_file(options.output, task.name) for task in asked]
        found = chain.from_iterable(map(read_predictions, samples))
        write_submission(asked[0].source, asked[0].split, found, path)
