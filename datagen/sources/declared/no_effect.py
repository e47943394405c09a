"""Keys of a source file that change nothing: for its task, for its columns, or for the formats of its files.

Whoever writes `answer: {is: index}` for open questions expects a number to be looked up. Passed over in
silence, the number itself would be the answer.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from datagen.sources.declared.definition import Definition, FormatName, TaskName

_CHOICE: tuple[TaskName, ...] = ("multiple_choice",)
_OPEN: tuple[TaskName, ...] = ("vqa", "document_vqa")
_VERDICT: tuple[TaskName, ...] = ("yes_no", "statement")
_LABEL: tuple[TaskName, ...] = ("classification",)
_TURNS: tuple[TaskName, ...] = ("conversation", "prompt")
_RANKED = (*_CHOICE, *_VERDICT, *_LABEL)

_TASKS_OF_ANSWER: Mapping[str, Collection[TaskName]] = {
    "first": _CHOICE,
    "separator": (*_CHOICE, *_OPEN),
    "several": _OPEN,
    "true_words": (*_VERDICT, *_OPEN, *_LABEL),
    "false_words": (*_VERDICT, *_OPEN, *_LABEL),
    "missing_words": (*_CHOICE, *_OPEN, *_VERDICT, *_LABEL, *_TURNS),
    "lower": _LABEL,
    "names": _LABEL,
}
"""The tasks that read each key of `answer`; `is: text` is true of all."""

_TABLES: tuple[FormatName, ...] = ("csv", "tsv", "imagefolder")
_TEXTS: tuple[FormatName, ...] = (*_TABLES, "json", "jsonl")
_FORMATS_OF: Mapping[str, Collection[FormatName]] = {
    "delimiter": _TABLES,
    "quote": _TABLES,
    "header": _TABLES,
    "extra_cells": _TABLES,
    "encoding": _TEXTS,
}
"""The formats that read each key of `format`."""


def keys_without_effect(definition: Definition, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield an error for each key that a file itself gives, a preset left out, and that changes nothing."""
    task = definition.task
    answer = given.get("answer")
    for key in answer if isinstance(answer, Mapping) else ():
        yield from _of_answer(definition, key)
    own = definition.evaluation
    if own.decode and task in _RANKED and own.candidates is None:
        yield (
            f"evaluation.decode: not used by task {task}, which ranks candidates; candidates: generate makes it "
            "generate"
        )
    if own.candidates is not None and task not in _RANKED:
        yield f"evaluation.candidates: not used by task {task}, which generates"
    if "roles" in given and task not in _TURNS:
        yield f"roles: not used by task {task}: it has no turns"
    if "videos" in given and definition.columns.video is None:
        yield "videos: not used without columns.video"
    if (
        "images" in given
        and definition.columns.video is not None
        and definition.columns.image is None
    ):
        yield "images: not used beside columns.video; give videos"


def _of_answer(definition: Definition, key: str) -> Iterator[str]:
    task, rules = definition.task, definition.answer
    if key == "is" and rules.is_ != "text" and task not in _CHOICE:
        hint = "; answer.names gives labels their names" if task in _LABEL else ""
        yield (
            f"answer.is: {rules.is_} names one of several choices, which task {task} does not have"
            f"{hint}"
        )
    elif task not in _TASKS_OF_ANSWER.get(key, (task,)):
        tasks = ", ".join(dict.fromkeys(_TASKS_OF_ANSWER[key]))
        yield f"answer.{key}: not used by task {task}, only by {tasks}"
    elif key == "first" and rules.is_ != "index":
        yield "answer.first: counts choices, and is used with answer.is: index alone"


def format_without_effect(definition: Definition, formats: Collection[FormatName]) -> Iterator[str]:
    """Yield an error for each key about the form of files that none of the `formats` has a use for."""
    named = ", ".join(sorted(formats))
    for key in sorted(definition.format.model_fields_set & _FORMATS_OF.keys()):
        if not set(_FORMATS_OF[key]) & set(formats):
            yield f"format.{key}: not used by files of type {named}"
    if definition.rows is not None and "json" not in formats:
        yield f"rows: not used by files of type {named}, only by json"
