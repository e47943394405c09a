"""Finds templates that show a model nothing: rendered on made-up fields, with the optional ones and without."""

from collections.abc import Iterator, Mapping
from typing import Any

from templates.errors import Finding, RenderError
from templates.language import TemplateText
from templates.tasks import FieldKind, Task


def find_blanks(
    template: TemplateText, task: Task, file: str, template_id: str, part: str
) -> Iterator[Finding]:
    """A finding if `template` renders blank, or not at all; `part` is the key that holds it."""
    for present, when in ((True, ""), (False, f" without {', '.join(sorted(task.optional))}")):
        fields = _probe(task, with_optional=present or not task.optional)
        if any(fields[name] is None for name in template.required):
            continue  # the template is never chosen for such an example
        try:
            blank = not template.render(fields).strip()
        except RenderError as error:
            message, remedy = f"{part} fails: {error}", "fix the template"
            yield Finding(file, "render", message, remedy, template_id, part)
            return
        if blank:
            message = f"{part} renders blank{when}"
            remedy = "add words or a field that is always there"
            yield Finding(file, "blank", message, remedy, template_id, part)
            return


def _probe(task: Task, *, with_optional: bool) -> Mapping[str, Any]:
    """Made-up fields of a task, the optional ones present or None."""
    values: dict[FieldKind, Any] = {
        FieldKind.TEXT: "words",
        FieldKind.LIST: ["one", "two"],
        FieldKind.TURNS: [{"question": "what?", "answer": "that"}],
        FieldKind.FLAG: True,
    }
    return {
        name: values[kind] if with_optional or name not in task.optional else None
        for name, kind in task.fields.items()
    }
