"""Renders templates on edge cases: optional fields missing, short and long lists, longest texts.

A lint does this for all templates, a build for those of its sources before it reads a row. A text that
fails or is blank on one of the cases would lose records later, in the middle of a build or of a run.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from templates.blank import is_blank
from templates.errors import Finding, RenderError
from templates.language import TemplateText
from templates.tasks import FieldKind, Task

_LONG_LIST = 100
_LONG_TEXT = 10_000
_FIX = "put {% if field %} or {% if field | length > 1 %} around the part that fails"


def edge_cases(task: Task) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield fields of made-up examples, each with a description ("without caption").

    Optional lists may be empty; a list that every example has holds one item or more.
    """
    usual = {name: _value(kind, 2) for name, kind in task.fields.items()}
    yield "on usual fields", usual
    optional = sorted(task.optional)
    for size in range(1, len(optional) + 1):
        for names in combinations(optional, size):
            yield f"without {', '.join(names)}", usual | dict.fromkeys(names)
    for name, kind in task.fields.items():
        if kind in (FieldKind.LIST, FieldKind.TURNS):
            if name in task.optional:
                yield f"with an empty {name}", usual | {name: []}
            yield f"with one item in {name}", usual | {name: _value(kind, 1)}
            yield f"with {_LONG_LIST} items in {name}", usual | {name: _value(kind, _LONG_LIST)}
        elif kind is FieldKind.TEXT:
            yield f"with a {name} of {_LONG_TEXT} characters", usual | {name: "x" * _LONG_TEXT}
        else:
            yield f"with {name} false", usual | {name: False}


def check_edge_cases(
    text: TemplateText,
    task: Task,
    file: str,
    template_id: str,
    part: str,
    *,
    allow_blank: bool = False,
) -> Iterator[Finding]:
    """Yield a finding if `text` fails or renders blank on an edge case; `part` is the key that holds it."""
    for case, fields in edge_cases(task):
        if any(fields[name] is None for name in text.required):
            continue  # the template is never chosen for such an example
        try:
            rendered = text.render(fields)
        except RenderError as error:
            message = f"{part} fails {case}: {error}"
            yield Finding(file, "render", message, _FIX, template_id, part)
            return
        if is_blank(rendered) and not allow_blank:
            message = f"{part} renders blank {case}"
            remedy = "add words or a field that is always there"
            yield Finding(file, "blank", message, remedy, template_id, part)
            return


def inputs_of(task: Task) -> list[str]:
    """Return the fields that every prompt of `task` should show; none for captions."""
    return sorted(set(task.fields) - task.target - task.optional - {"task_name", "dataset_name"})


def uses_input(text: TemplateText, task: Task) -> bool:
    """Return True if the rendering changes with the task's input, or the task has none but images."""
    inputs = inputs_of(task)
    if not inputs:
        return True
    usual = {name: _value(kind, 2) for name, kind in task.fields.items()}
    other = usual | {name: _value(task.fields[name], 2, "other ") for name in inputs}
    try:
        return text.render(usual) != text.render(other)
    except RenderError:
        return True  # has a finding of its own


def _value(kind: FieldKind, num_items: int, words: str = "") -> Any:
    match kind:
        case FieldKind.TEXT:
            return f"{words}words"
        case FieldKind.LIST:
            return [f"{words}item {number}" for number in range(num_items)]
        case FieldKind.TURNS:
            turn = {"question": f"{words}question", "answer": f"{words}reply"}
            return [turn] * num_items
        case FieldKind.FLAG:
            return not words
