"""Lint of a template set: finds unusable and misleading templates before data is built."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from templates.blanks import find_blanks
from templates.errors import Finding
from templates.language import TemplateText
from templates.library import (
    Template,
    TemplateSet,
    has_only_protocols,
    read_templates,
    template_folder,
)
from templates.tasks import SOURCES, TASKS, Task


@dataclass(frozen=True)
class LintReport:
    """Checked template set and findings. A report over nothing is not clean."""

    template_set: TemplateSet
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        checked = self.template_set.templates or self.template_set.protocols
        return bool(checked) and not self.findings


def lint(
    directory: str | Path = "instruct", sources: Collection[str] = tuple(SOURCES)
) -> LintReport:
    """Check every template and protocol of `directory`, given the ids of all `sources`.

    A folder that has only protocols is for evaluations and needs no templates.
    """
    folder = template_folder(directory)
    only_protocols = has_only_protocols(folder)
    template_set, findings = read_templates(folder, needs_templates=not only_protocols)
    findings += _names(template_set, sources)
    if not only_protocols:
        findings += _coverage(template_set, sources)
    findings += _duplicates(template_set)
    for template in template_set.templates:
        findings += _template(template)
    for protocol in template_set.protocols.values():
        base = template_set.protocols.get(protocol.extends or "")
        if base is None or base.prompt.source != protocol.prompt.source:
            task = TASKS[protocol.task]
            findings += _leaks(protocol.prompt, task, protocol.file, "", "prompt")
    return LintReport(template_set, tuple(sorted(findings)))


def _names(template_set: TemplateSet, sources: Collection[str]) -> Iterator[Finding]:
    remedy = f"use one of {', '.join(sorted(sources))}"
    for template in template_set.templates:
        file, template_id = template.file, template.template_id
        for source in template.sources:
            if source not in sources:
                message = f"unknown source {source!r}"
                yield Finding(file, "unknown-source", message, remedy, template_id, "sources")
        if not template_id.startswith(f"{template.task}."):
            message = f"id does not start with its task {template.task!r}"
            example = f"write {template.task}.<style>.<number>"
            yield Finding(file, "id", message, example, template_id, "id")
    for protocol in template_set.protocols.values():
        if protocol.source not in sources:
            message = f"unknown source {protocol.source!r}"
            yield Finding(protocol.file, "unknown-source", message, remedy, field="source")


def _coverage(template_set: TemplateSet, sources: Collection[str]) -> Iterator[Finding]:
    tasks = {template.task for template in template_set.templates}
    for task in TASKS:
        if task not in tasks:
            message = f"task {task!r} has no template"
            yield Finding(f"{task}.yaml", "task-without-template", message, "write at least one")
    for source in sources:
        forms = template_set.forms(source)
        if not forms:
            message = f"source {source!r} has no template"
            remedy = "name it under sources: in the file of its task"
            yield Finding("", "source-without-template", message, remedy, field=source)
        elif all(w.required & TASKS[form.task].optional for form in forms for w in form.templates):
            optional = sorted(set().union(*(TASKS[form.task].optional for form in forms)))
            message = f"examples of {source!r} without {', '.join(optional)} have no template"
            remedy = "write one that does without, or put {% if %} around the field"
            yield Finding(forms[0].templates[0].file, "not-always", message, remedy, field=source)


def _duplicates(template_set: TemplateSet) -> Iterator[Finding]:
    by_id: dict[str, list[Template]] = defaultdict(list)
    by_text: dict[tuple[str, str, str], list[Template]] = defaultdict(list)
    for template in template_set.templates:
        by_id[template.template_id].append(template)
        text = " ".join(template.instruction.source.lower().split())
        by_text[template.task, text, template.target.source].append(template)
    for template_id, same in by_id.items():
        for template in same[1:]:
            message, remedy = (
                f"id {template_id!r} is used {len(same)} times",
                "give each its own id",
            )
            yield Finding(template.file, "duplicate-id", message, remedy, template_id, "id")
    for same in by_text.values():
        for position, template in enumerate(same[1:], start=1):
            twin = next(
                (w for w in same[:position] if set(w.sources) & set(template.sources)), None
            )
            if twin is not None:
                message, remedy = f"same template as {twin.template_id}", "drop one of them"
                place = (template.template_id, "instruction")
                yield Finding(template.file, "duplicate-template", message, remedy, *place)


def _template(template: Template) -> Iterator[Finding]:
    task = TASKS[template.task]
    place = (template.file, template.template_id)
    yield from _leaks(template.instruction, task, *place, "instruction")
    if not template.allow_blank:
        yield from find_blanks(template.instruction, task, *place, "instruction")
    yield from find_blanks(template.target, task, *place, "target")
    if not task.target & _used(template.target):
        message = f"target does not show {', '.join(task.target)}"
        remedy = f"write {{{{ {next(iter(task.target))} }}}}"
        yield Finding(
            template.file, "constant-target", message, remedy, template.template_id, "target"
        )


def _used(template: TemplateText) -> frozenset[str]:
    return template.required | template.optional


def _leaks(
    template: TemplateText, task: Task, file: str, template_id: str, part: str
) -> Iterator[Finding]:
    for name in sorted(task.target & _used(template)):
        message = f"{part} shows {name!r}, which the model must generate"
        remedy = f"remove {name} from the {part}"
        yield Finding(file, "leak", message, remedy, template_id, name)
