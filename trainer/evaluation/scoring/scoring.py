"""Scoring: saved predictions of an evaluation become `results.json`. Needs no model."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec.structs import replace

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Metric, Scored
from trainer.evaluation.metrics.log_probs import is_tied
from trainer.evaluation.metrics.table import metric as metric_named
from trainer.evaluation.predictions.json_files import write_json
from trainer.evaluation.predictions.prediction import (
    Prediction,
    read_predictions,
    write_predictions,
)
from trainer.evaluation.scoring.bootstrap import errors_by, standard_errors
from trainer.evaluation.scoring.facts import RunFacts, TaskFacts, read_run_facts
from trainer.evaluation.scoring.results import RESULTS_FILE, Average, Results, TaskResult, Value
from trainer.evaluation.tasks.paper import (
    HELD_IN_AVERAGE,
    HELD_OUT_AVERAGE,
    Model,
    paper_average,
    paper_number,
)

MODELS: tuple[Model, ...] = ("instructblip", "blip2")
_REMEDY = "Remove the file and start the evaluation again with --resume"
CORPUS_METRICS = ("cider",)
"""Metrics whose score of a record depends on the whole split."""
FEW_GROUPS = 30
"""Below this number of groups a note gives the uncertainty of the standard error."""


def samples_file(folder: Path, task: str) -> Path:
    """Return the path of a task's predictions, one JSON object a line."""
    return folder / f"samples_{task}.jsonl"


def score_folder(folder: Path, captions: str | None = None) -> Results:
    """Score every finished task of an evaluation, fill its samples, write `results.json`.

    A task that cannot be scored is listed with its reason in `failed`; the others are scored all the same.

    Raises:
        EvaluationError: no task is finished, or none can be scored.
    """
    facts = read_run_facts(folder)
    if captions is not None:
        facts = replace(facts, captions=captions)
    unfinished = {
        name: f"not finished: there is no {samples_file(folder, name).name}; start again with --resume"
        for name in facts.tasks
        if not samples_file(folder, name).is_file()
    }
    if len(unfinished) == len(facts.tasks):
        first, why = next(iter(unfinished.items()))
        raise EvaluationError(f"{folder}: no task to score; {first} is {why}")
    tasks: dict[str, TaskResult] = {}
    failed: dict[str, str] = {}
    for name, task in facts.tasks.items():
        if name in unfinished:
            continue
        try:
            result = _score_task(folder, task, facts)
        except EvaluationError as error:
            failed[name] = str(error)
            continue
        if task.stands_in_for and task.protocol not in facts.tasks:
            tasks |= _waiting(task, facts)
        tasks[name] = result
    if not tasks:
        raise EvaluationError("; ".join(failed.values()))
    results = Results(
        name=facts.name,
        date=facts.date,
        device=facts.device,
        model=facts.model,
        dataset=facts.dataset,
        backbone=facts.backbone,
        batch_size=facts.batch_size,
        limit=facts.limit,
        tasks=tasks,
        left_out={**facts.left_out, **unfinished},
        failed=failed,
        averages={
            "held_in": average(tasks, HELD_IN_AVERAGE, facts.backbone, "held_in"),
            "held_out": average(tasks, HELD_OUT_AVERAGE, facts.backbone, "held_out"),
        },
        versions=facts.versions,
    )
    write_json(folder / RESULTS_FILE, results)
    return results


def _score_task(folder: Path, task: TaskFacts, facts: RunFacts) -> TaskResult:
    path = samples_file(folder, task.task)
    metric = metric_named(task.evaluation().metric, captions=facts.captions)
    num_skipped = _check(path, task, metric)
    if task.hidden:
        return _result(task, facts, metric, None, {}, {}, num_skipped)
    try:
        scored = metric.score(_counted(path))
    except EvaluationError as error:
        raise EvaluationError(f"task {task.task}: {error}") from None
    groups: list[str] = []
    num_tied = 0
    for each in _counted(path):
        groups.append(each.group_id)
        num_tied += is_tied(each)
    errors = standard_errors(scored, groups) if groups else {}
    by_errors = errors_by(scored, groups) if groups else {}
    write_predictions(path, _filled(path, scored))
    notes = (*scored.notes, *worth(scored, errors, len(set(groups))), *_ties(num_tied, len(groups)))
    scored = dataclasses.replace(scored, notes=notes)
    return _result(task, facts, metric, scored, errors, by_errors, num_skipped)


def worth(scored: Scored, errors: Mapping[str, float], num_groups: int) -> Iterator[str]:
    """Yield a note on a standard error that comes from few groups or from equal scores.

    The limit of a score without failures (or without successes) in G independent draws is the exact
    binomial one, 0.05 ** (1 / G) (Clopper and Pearson, 1934; about 3 / G, the "rule of three").
    """
    headline, measure = next(iter(scored.measures.items()))
    error, value = errors.get(headline, float("nan")), measure.value()
    if num_groups and (num_groups == 1 or np.isnan(error)):
        yield f"no standard error: it needs several images or dialogs, there is {num_groups}"
    elif error == 0 and num_groups:
        sentence = f"± 0.0 only says that all {num_groups:,} images or dialogs score alike, not that the number is exact"
        limit = 0.05 ** (1 / num_groups)
        if value == 1:
            sentence += f"; the one-sided 95 % limit is {100 * limit:.1f}"
        elif value == 0:
            sentence += f"; the one-sided 95 % limit is {100 * (1 - limit):.1f}"
        yield sentence
    elif 1 < num_groups < FEW_GROUPS:
        yield (
            f"only {num_groups} images or dialogs: the standard error itself is uncertain by about "
            f"{100 / np.sqrt(2 * (num_groups - 1)):.0f} %"
        )


def _ties(num_tied: int, num_records: int) -> tuple[str, ...]:
    if not num_tied:
        return ()
    return (
        f"{num_tied:,} of {num_records:,} records: candidates tie (as rounding to bfloat16 makes them do), and the "
        "order of the candidates decides",
    )


def _waiting(task: TaskFacts, facts: RunFacts) -> dict[str, TaskResult]:
    """Return a result without a score for a hidden split that `task` stands in for."""
    rules = task.evaluation()
    if rules.server is None:
        return {}
    own = replace(
        task,
        task=task.protocol,
        split=rules.split,
        split_sha256="",
        num_records=0,
        num_requests=0,
        hidden=True,
        stands_in_for=None,
    )
    metric = metric_named(rules.metric, captions=facts.captions)
    return {task.protocol: _result(own, facts, metric, None, {}, {}, 0)}


def _counted(path: Path) -> Iterator[Prediction]:
    return (each for each in read_predictions(path) if each.skipped is None)


def _check(path: Path, task: TaskFacts, metric: Metric) -> int:
    """Check every prediction; returns the number of records without one, whose images cannot be read.

    Raises:
        EvaluationError: a record is missing or a duplicate, or lacks a field that the metric needs.
    """
    ids: set[int] = set()
    num_skipped = 0
    for number, each in enumerate(read_predictions(path)):
        ids.add(hash(each.record_id))
        if each.number != number or len(ids) <= number:
            raise EvaluationError(
                f"task {task.task}: line {number + 1:,} of {path.name} is record {each.number:,} "
                f"({each.record_id}), a duplicate or out of order. {_REMEDY}"
            )
        if each.skipped is not None:
            num_skipped += 1
        elif not task.hidden and (lacking := metric.lacks(each)):
            raise EvaluationError(f"task {task.task}, record {each.record_id}: {lacking}")
    if len(ids) != task.num_requests:
        raise EvaluationError(
            f"task {task.task}: {path.name} has {len(ids):,} records, not {task.num_requests:,}: it was "
            f"truncated or edited. {_REMEDY}"
        )
    return num_skipped


def _filled(path: Path, scored: Scored) -> Iterator[Prediction]:
    """Yield the predictions with their normalised texts and scores."""
    number = 0
    for each in read_predictions(path):
        if each.skipped is not None:
            yield each
            continue
        score = float(scored.scores[number])
        yield replace(
            each,
            normalised=scored.normalised[number],
            normalised_references=scored.normalised_references[number],
            score=None if np.isnan(score) else score,
        )
        number += 1


def _result(
    task: TaskFacts,
    facts: RunFacts,
    metric: Metric,
    scored: Scored | None,
    errors: Mapping[str, float],
    by_errors: Mapping[str, Mapping[str, float]],
    num_skipped: int,
) -> TaskResult:
    rules = task.evaluation()
    remarks = _differences(task, facts, metric, num_skipped)
    comparable = not remarks and task.protocol == task.source
    values = {} if scored is None else scored.measures
    return TaskResult(
        source=task.source,
        split=task.split,
        protocol=task.protocol,
        protocol_sha256=task.protocol_sha256,
        split_sha256=task.split_sha256,
        metric=metric.name,
        normaliser=metric.normaliser,
        method=rules.method,
        status="server" if scored is None else "scored",
        headline=next(iter(values), metric.name),
        values={
            name: Value(
                printed(metric, name, measure.value()), printed(metric, name, errors.get(name))
            )
            for name, measure in values.items()
        },
        by={
            tag: {
                part: Value(
                    printed(metric, next(iter(values)), measure.value()),
                    printed(metric, next(iter(values)), by_errors[tag][part]),
                )
                for part, measure in parts.items()
            }
            for tag, parts in ({} if scored is None else scored.by).items()
        },
        num_scored=0 if scored is None else task.num_requests - num_skipped,
        num_requests=task.num_requests,
        num_records=task.num_records,
        expected_records=None if task.stands_in_for else rules.records,
        comparable=comparable,
        stands_in_for=task.stands_in_for,
        server=rules.server,
        differences=(*remarks, *rules.differences),
        notes=() if scored is None else (*_vocabulary(task), *_cut(task), *scored.notes),
        paper={model: paper_number(model, facts.backbone, task.source) for model in MODELS},
    )


def _vocabulary(task: TaskFacts) -> tuple[str, ...]:
    return (
        (f"ranked over a vocabulary of {task.num_answers:,} answers",) if task.num_answers else ()
    )


def _cut(task: TaskFacts) -> tuple[str, ...]:
    if not task.num_cut:
        return ()
    return (f"the Q-Former read {task.num_cut:,} long prompts without their beginning",)


def printed(metric: Metric, name: str, value: float | None) -> float | None:
    """Return a number in the unit that papers print: percent, but ranks as they are."""
    if value is None or np.isnan(value):
        return None
    return value if name in metric.unscaled else value * metric.scale


def _differences(
    task: TaskFacts, facts: RunFacts, metric: Metric, num_skipped: int
) -> tuple[str, ...]:
    """Return the reasons, besides the protocol, why this score is not comparable with the paper's."""
    found = []
    expected = task.evaluation().records
    if not task.num_requests:
        return (
            "not evaluated: its answers are hidden; --submission evaluates it if the dataset has it",
        )
    if task.stands_in_for is not None:
        hidden = ", whose answers are hidden" if task.evaluation().server else ""
        found.append(f"{task.split} is not the protocol's split, {task.stands_in_for}{hidden}")
    elif expected is not None and task.num_records != expected:
        found.append(f"the dataset has {task.num_records:,} of {expected:,} published records")
    if task.num_requests < task.num_records:
        found.append(f"--limit: {task.num_requests:,} of {task.num_records:,} records")
        if metric.name in CORPUS_METRICS:
            found.append(
                "under --limit the weights of CIDEr come from fewer captions: the number is not "
                "comparable with one of the whole split"
            )
    if num_skipped:
        found.append(f"{num_skipped:,} records were left out: their images cannot be read")
    return tuple(found)


def average(
    tasks: Mapping[str, TaskResult],
    sets: tuple[str, ...],
    backbone: str | None,
    name: Literal["held_in", "held_out"],
) -> Average:
    """Return the mean of the default protocols' headlines over the paper's sets."""
    scores: dict[str, float] = {}
    others = []
    for result in tasks.values():
        score = result.score
        if result.protocol != result.source or score is None or score.value is None:
            continue
        if result.source in sets and (result.stands_in_for is None or result.server):
            scores[result.source] = score.value
            if result.stands_in_for is not None:
                others.append(result.source)
    lacking = tuple(each for each in sets if each not in scores)
    return Average(
        value=None if lacking else sum(scores.values()) / len(sets),
        sets=sets,
        lacking=lacking,
        other_splits=tuple(others),
        paper={model: paper_average(model, backbone, name) for model in MODELS},
    )
