"""The table of a report, read from `results.json` as it is: what is not there is left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.evaluation.report.visible import visible
from trainer.evaluation.scoring.table import AVERAGES, METRICS

_MODEL_NAMES = ("name", "path", "model", "checkpoint")
_SHORT_HASH = 12


@dataclass(frozen=True)
class Number:
    """A number and its standard error, as printed."""

    name: str
    value: str
    stderr: str | None


@dataclass(frozen=True)
class TaskRow:
    """One task of the table, with its details. `starred`: not the paper's split."""

    name: str
    split: str
    starred: bool
    metric: str
    value: str
    stderr: str | None
    instructblip: str
    blip2: str
    records: str
    comparable: bool
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    beside: tuple[Number, ...]
    by: tuple[tuple[str, tuple[Number, ...]], ...]


@dataclass(frozen=True)
class AverageRow:
    """A mean over sets of the paper."""

    name: str
    value: str
    instructblip: str
    blip2: str
    lacking: tuple[str, ...]
    starred: bool


@dataclass(frozen=True)
class Summary:
    """Return the part of the page above the records."""

    name: str
    facts: tuple[tuple[str, str], ...]
    more_facts: tuple[tuple[str, str], ...]
    tasks: tuple[TaskRow, ...]
    averages: tuple[AverageRow, ...]
    left_out: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    dataset_notes: tuple[str, ...]


def summarise(results: Mapping[str, Any]) -> Summary:
    model, dataset = _part(results, "model"), _part(results, "dataset")
    model_name = next((model[name] for name in _MODEL_NAMES if model.get(name)), None)
    given = [
        ("model", model_name),
        ("backbone", results.get("backbone")),
        ("dataset", dataset.get("path")),
        ("content hash", str(dataset.get("content_hash") or "")[:_SHORT_HASH]),
        ("date", results.get("date")),
        ("device", results.get("device")),
        ("limit", results.get("limit")),
        ("versions", ", ".join(f"{n} {v}" for n, v in _part(results, "versions").items())),
    ]
    more = [
        *((f"model: {name}", value) for name, value in model.items()),
        *((f"dataset: {name}", value) for name, value in dataset.items() if name != "notes"),
        ("batch size", results.get("batch_size")),
        ("schema version", results.get("schema_version")),
    ]
    return Summary(
        name=visible(str(results.get("name") or "evaluation")),
        facts=tuple(_facts(given)),
        more_facts=tuple(_facts(more)),
        tasks=tuple(_task(name, task) for name, task in _part(results, "tasks").items()),
        averages=tuple(_averages(_part(results, "averages"))),
        left_out=tuple(_facts(_part(results, "left_out").items())),
        failed=tuple(
            _facts(
                (name, str(why).removeprefix(f"task {name}: "))
                for name, why in _part(results, "failed").items()
            )
        ),
        dataset_notes=_sentences(dataset.get("notes")),
    )


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping in a mapping, empty where it is absent."""
    found = whole.get(name)
    return found if isinstance(found, Mapping) else {}


def _facts(given: Any) -> Iterator[tuple[str, str]]:
    for name, value in given:
        if value is not None and value != "" and value != {} and value != []:
            yield visible(str(name)), visible(str(value))


def _task(name: str, task: Mapping[str, Any]) -> TaskRow:
    values = _part(task, "values")
    headline = str(task.get("headline") or next(iter(values), ""))
    waits = task.get("status") == "server"
    stands_in = task.get("stands_in_for") is not None
    paper = {} if stands_in else _part(task, "paper")
    score = None if waits else values.get(headline)
    metric = str(task.get("metric") or "")
    return TaskRow(
        name=visible(name),
        split=visible(str(task.get("split") or "")),
        starred=stands_in,
        metric=visible(METRICS.get(metric, metric)),
        value="- (server)" if waits else _printed(_value(score)),
        stderr=_error(score),
        instructblip=_printed(paper.get("instructblip")),
        blip2=_printed(paper.get("blip2")),
        records=_records(task),
        comparable=task.get("comparable") is not False,
        differences=_sentences(task.get("differences")),
        notes=_sentences(task.get("notes")),
        facts=tuple(_facts((n, task.get(n)) for n in _TASK_FACTS)),
        beside=_numbers({n: v for n, v in values.items() if n != headline}),
        by=tuple((visible(tag), _numbers(parts)) for tag, parts in _part(task, "by").items()),
    )


_TASK_FACTS = ("source", "protocol", "method", "metric", "normaliser", "server", "protocol_sha256")


def _averages(averages: Mapping[str, Any]) -> Iterator[AverageRow]:
    """Those of which this run has at least one set."""
    for name, average in averages.items():
        parts = average if isinstance(average, Mapping) else {"value": average}
        lacking, sets = parts.get("lacking") or (), parts.get("sets") or ()
        if sets and len(lacking) == len(sets):
            continue
        paper = _part(parts, "paper")
        yield AverageRow(
            name=visible(AVERAGES.get(name, name)),
            value=_printed(parts.get("value")),
            instructblip=_printed(paper.get("instructblip")),
            blip2=_printed(paper.get("blip2")),
            lacking=tuple(visible(str(each)) for each in lacking),
            starred=bool(parts.get("other_splits")),
        )


def _records(task: Mapping[str, Any]) -> str:
    if task.get("num_asked") == 0:
        return "-"
    asked = task.get("num_scored") or task.get("num_asked")
    total = task.get("expected_records") or task.get("num_records")
    if asked is None or total is None or asked == total:
        return "" if asked is None and total is None else f"{asked or total:,}"
    return f"{asked:,} of {total:,}"


def _sentences(found: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(visible(str(each)) for each in found or ())


def _numbers(values: Mapping[str, Any]) -> tuple[Number, ...]:
    return tuple(
        Number(visible(name), _printed(_value(value)), _error(value))
        for name, value in values.items()
    )


def _value(found: Any) -> float | None:
    value = found.get("value") if isinstance(found, Mapping) else found
    return None if value is None else float(value)


def _error(found: Any) -> str | None:
    stderr = found.get("stderr") if isinstance(found, Mapping) else None
    return None if stderr is None else f"{stderr:.1f}"


def _printed(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
