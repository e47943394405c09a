"""Two evaluations, task by task: the difference, how sure it is, and the records that it comes from.

Both sides are scored again from their samples, on the records that both have, so that numbers of a set
as a whole (AUROC, CIDEr with its weights of words) are of the same records. The error is of the difference
itself: both sides see the same resampled groups (`bootstrap.Difference`), so what they have in common
cancels out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datagen.errors import nearest
from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Metric
from trainer.evaluation.metrics.table import metric as metric_named
from trainer.evaluation.scoring.bootstrap import RESAMPLES, Difference, bootstrap
from trainer.evaluation.scoring.facts import RUN_FILE, read_run_facts
from trainer.evaluation.scoring.pairs import Change, Pairs, Side, changed_records
from trainer.evaluation.scoring.results import TaskResult, read_results
from trainer.evaluation.scoring.scoring import printed, samples_file

ROUNDING = 0.005
"""Printed numbers that are nearer than this are the same."""


@dataclass(frozen=True)
class Number:
    """A measure on both sides, as it is printed. `error` is of the difference."""

    first: float | None
    second: float | None
    error: float | None

    @property
    def difference(self) -> float | None:
        if self.first is None or self.second is None:
            return None
        return self.second - self.first


@dataclass(frozen=True)
class TaskComparison:
    """A task that both evaluations have.

    numbers        by measure, the headline first; empty where a server scores the split
    num_common     records that both have a response to
    num_only       records that only the first has, and only the second
    num_better     records whose score rose, `num_worse` fell; None where they have no scores
    num_changed    records whose score changed or, where they have none, whose output
    changes        of those the ones that changed most
    warnings       why the difference may be of something else than the models
    """

    metric: str
    numbers: Mapping[str, Number]
    num_common: int
    num_only: tuple[int, int]
    num_better: int | None
    num_worse: int | None
    num_changed: int
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """`refused` gives the reasons why common tasks cannot be compared.

    `server` are tasks whose answers are hidden and that one of the two, or both, did not evaluate.
    """

    tasks: Mapping[str, TaskComparison]
    refused: Mapping[str, str]
    server: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def compare(
    first: Path,
    second: Path,
    *,
    num_items: int = 0,
    resamples: int = RESAMPLES,
    pairs: Sequence[tuple[str, str]] = (),
) -> Comparison:
    """Compare the evaluations in two folders; `num_items` changed records of each task are in the result.

    `pairs` are tasks of the first and the second evaluation, of different names; with them only those are
    compared, under the name `a=b`.

    Raises:
        EvaluationError: a folder holds no results, they have no task in common, or one has no task of `pairs`.
    """
    tasks = read_results(first).tasks, read_results(second).tasks
    chosen = _chosen(first, second, tasks, pairs)
    server = tuple(
        name
        for name, (one, other) in chosen.items()
        if _not_evaluated(tasks[0][one]) or _not_evaluated(tasks[1][other])
    )
    compared: dict[str, TaskComparison] = {}
    refused: dict[str, str] = {}
    for name, (one, other) in chosen.items():
        if name in server:
            continue
        try:
            compared[name] = _compare_task(
                _Task(tasks[0][one], samples_file(first, one), _captions(first)),
                _Task(tasks[1][other], samples_file(second, other), _captions(second)),
                num_items,
                resamples,
            )
        except EvaluationError as error:
            refused[name] = str(error)
    return Comparison(
        compared,
        refused,
        server,
        only_first=() if pairs else tuple(name for name in tasks[0] if name not in tasks[1]),
        only_second=() if pairs else tuple(name for name in tasks[1] if name not in tasks[0]),
    )


def _chosen(
    first: Path,
    second: Path,
    tasks: tuple[Mapping[str, TaskResult], Mapping[str, TaskResult]],
    pairs: Sequence[tuple[str, str]],
) -> dict[str, tuple[str, str]]:
    """Return the tasks of both sides to compare, by the name of the comparison."""
    for pair in pairs:
        for folder, name, held in zip((first, second), pair, tasks, strict=True):
            if name not in held:
                raise EvaluationError(
                    f"--pair {'='.join(pair)}: {folder} has no task {name!r}{nearest(name, held)}; it has "
                    f"{', '.join(held) or 'none'}"
                )
    if pairs:
        return {"=".join(pair): pair for pair in pairs}
    common = {name: (name, name) for name in tasks[0] if name in tasks[1]}
    if not common:
        raise EvaluationError(
            f"{first} and {second} have no task in common: {', '.join(tasks[0]) or 'none'}, and "
            f"{', '.join(tasks[1]) or 'none'}; --pair A=B compares tasks of different names"
        )
    return common


def _not_evaluated(result: TaskResult) -> bool:
    """Return whether a task is a hidden split with a line in the table but no samples."""
    return result.status == "server" and not result.num_requests


@dataclass(frozen=True)
class _Task:
    """A task of one of the evaluations."""

    result: TaskResult
    samples: Path
    captions: str | None


def _captions(folder: Path) -> str | None:
    """Return the caption backend of an evaluation's scores."""
    return read_run_facts(folder).captions if (folder / RUN_FILE).is_file() else None


def _compare_task(first: _Task, second: _Task, num_items: int, resamples: int) -> TaskComparison:
    one, other = first.result, second.result
    if (one.source, one.split) != (other.source, other.split):
        raise EvaluationError(
            f"A evaluated {one.source}/{one.split}, B {other.source}/{other.split}: different records"
        )
    pairs = Pairs.read(first.samples, second.samples)
    warnings = [*_differing_rules(first, second), *pairs.warnings()]
    numbers: dict[str, Number] = {}
    scores = np.full((2, len(pairs)), np.nan)
    if "server" not in (one.status, other.status):
        metric = metric_named(one.metric, captions=first.captions)
        sides = pairs.score(metric)
        numbers = _numbers(metric, sides, pairs, resamples)
        scores = np.stack([side.scores for side in sides])
        warnings += _stale(first, second, numbers, pairs)
    changed = changed_records(pairs, scores)
    has_scores = not np.isnan(scores).all()
    rise = scores[1, changed] - scores[0, changed]
    return TaskComparison(
        metric=one.metric,
        numbers=numbers,
        num_common=len(pairs),
        num_only=pairs.num_only,
        num_better=int((rise > 0).sum()) if has_scores else None,
        num_worse=int((rise < 0).sum()) if has_scores else None,
        num_changed=len(changed),
        changes=pairs.changes(changed[:num_items], scores),
        warnings=tuple(warnings),
    )


def _numbers(
    metric: Metric, sides: tuple[Side, Side], pairs: Pairs, resamples: int
) -> dict[str, Number]:
    first, second = (side.measures for side in sides)
    names = [name for name in first if name in second]
    differences = {name: Difference(first[name], second[name]) for name in names}
    spreads = bootstrap(differences, pairs.groups, resamples=resamples)
    return {
        name: Number(
            printed(metric, name, first[name].value()),
            printed(metric, name, second[name].value()),
            printed(metric, name, spreads[name].error),
        )
        for name in names
    }


def _differing_rules(first: _Task, second: _Task) -> Iterator[str]:
    one, other = first.result, second.result
    if one.split_sha256 != other.split_sha256:
        yield (
            f"the datasets differ: split {one.split_sha256[:12]} in A, {other.split_sha256[:12]} in B; "
            "records are taken to be the same where their ids are"
        )
    if one.protocol_sha256 != other.protocol_sha256:
        yield (
            f"the protocols differ: {one.protocol} ({one.protocol_sha256[:12]}) in A, {other.protocol} "
            f"({other.protocol_sha256[:12]}) in B"
        )
    if one.metric != other.metric:
        yield f"A was scored by {one.metric}, B by {other.metric}; here both are by {one.metric}"
    elif first.captions != second.captions:
        yield (
            f"captions were scored with {first.captions or 'the default'} in A, with "
            f"{second.captions or 'the default'} in B; here both are as in A"
        )


def _stale(
    first: _Task, second: _Task, numbers: Mapping[str, Number], pairs: Pairs
) -> Iterator[str]:
    """Warn where all records are common but the numbers are not those of `results.json`."""
    for name, task, side in (("A", first, 0), ("B", second, 1)):
        saved = task.result.score
        number = numbers.get(task.result.headline)
        if pairs.num_only[side] or saved is None or saved.value is None or number is None:
            continue
        found = number.second if side else number.first
        if task.result.metric == first.result.metric and (
            found is None or abs(found - saved.value) > ROUNDING
        ):
            yield (
                f"results.json of {name} says {saved.value:.2f}, its samples give "
                f"{'nothing' if found is None else format(found, '.2f')}; score it again"
            )
