"""Lint of a template set: finds unusable and misleading templates before data is built."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from templates.edge_cases import check_edge_cases, inputs_of, uses_input
from templates.errors import Finding, TemplateSetError
from templates.language import TemplateText
from templates.library import (
    Template,
    TemplateSet,
    has_only_protocols,
    read_templates,
    template_folder,
)
from templates.prompt_spec import PromptSpec
from templates.tasks import OWN_TASKS, SOURCES, TASKS, Task


@dataclass(frozen=True)
class LintReport:
    """Checked template set and findings. A report over nothing is not clean."""

    template_set: TemplateSet
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        checked = self.template_set.templates or self.template_set.protocols
        return bool(checked) and not self.findings


def lint(directory: str | Path = "instruct", specs: Collection[PromptSpec] = ()) -> LintReport:
    """Check every template and protocol of `directory`, and that each of `specs` has a template.

    A folder that has only protocols is for evaluations and needs no templates.
    """
    folder = template_folder(directory)
    only_protocols = has_only_protocols(folder)
    template_set, findings = read_templates(folder, needs_templates=not only_protocols)
    sources = SOURCES.keys() | {spec.id for spec in specs}
    findings += _names(template_set, sources)
    if not only_protocols and not any(_hides_templates(finding) for finding in findings):
        findings += _coverage(template_set, specs)
    findings += _duplicates(template_set)
    for template in template_set.templates:
        findings += _template(template)
    for protocol in template_set.protocols.values():
        base = template_set.protocols.get(protocol.extends or "")
        if base is None or base.prompt.source != protocol.prompt.source:
            task = TASKS[protocol.task]
            findings += _leaks(protocol.prompt, task, protocol.file, "", "prompt")
    return LintReport(template_set, tuple(sorted(findings)))


def _hides_templates(finding: Finding) -> bool:
    """Return True for an error that may be all that a source or a task without template lacks."""
    return not finding.file.startswith("protocol/") and finding.rule != "id"


def _names(template_set: TemplateSet, sources: Collection[str]) -> Iterator[Finding]:
    remedy = f"use one of {', '.join(sorted(sources))}"
    files: dict[str, list[Template]] = defaultdict(list)
    for template in template_set.templates:
        files[template.file].append(template)
    for file, templates in files.items():
        counts = Counter(source for template in templates for source in template.sources or ())
        for source in counts.keys() - set(sources):
            message = f"unknown source {source!r}{_nearest(source, sources)}"
            if counts[source] == len(templates) > 1:  # the file's own line
                yield Finding(file, "unknown-source", message, remedy, field="sources")
                continue
            for template in templates:
                if source in (template.sources or ()):
                    place = (template.template_id, "sources")
                    yield Finding(file, "unknown-source", message, remedy, *place)
    for template in template_set.templates:
        file, template_id = template.file, template.template_id
        if not template_id.startswith(f"{template.task}."):
            message = f"id does not start with its task {template.task!r}"
            example = f"write {template.task}.<style>.<number>"
            yield Finding(file, "id", message, example, template_id, "id")
    for protocol in template_set.protocols.values():
        if protocol.source not in sources:
            message = f"unknown source {protocol.source!r}"
            yield Finding(protocol.file, "unknown-source", message, remedy, field="source")


def _coverage(template_set: TemplateSet, specs: Collection[PromptSpec]) -> Iterator[Finding]:
    for task in TASKS:
        of_task = [template for template in template_set.templates if template.task == task]
        if not of_task and task not in OWN_TASKS:
            message = f"task {task!r} has no template"
            yield Finding(f"{task}.yaml", "task-without-template", message, "write at least one")
        elif of_task and all(template.required & TASKS[task].optional for template in of_task):
            optional = sorted(TASKS[task].optional)
            message = f"examples of {task!r} without {', '.join(optional)} have no template"
            remedy = "write one that does without, or put {% if %} around the field"
            yield Finding(of_task[0].file, "not-always", message, remedy, field=task)
    for spec in specs:
        if not template_set.forms(spec):
            message = f"source {spec.id!r} has no template"
            remedy = f"write one for {' or '.join(spec.tasks)}"
            yield Finding("", "source-without-template", message, remedy, field=spec.id)


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
            twin = next((w for w in same[:position] if _share_sources(w, template)), None)
            if twin is not None:
                message, remedy = f"same template as {twin.template_id}", "drop one of them"
                place = (template.template_id, "instruction")
                yield Finding(template.file, "duplicate-template", message, remedy, *place)


def _share_sources(one: Template, other: Template) -> bool:
    if one.sources is None or other.sources is None:
        return True
    return not set(one.sources).isdisjoint(other.sources)


def _template(template: Template) -> Iterator[Finding]:
    task = TASKS[template.task]
    place = (template.file, template.template_id)
    yield from _leaks(template.instruction, task, *place, "instruction")
    edge_cases = list(_edge_cases(template))
    yield from edge_cases
    if not edge_cases and not uses_input(template.instruction, task):
        inputs = inputs_of(task)
        message = f"instruction does not show the input ({', '.join(inputs)})"
        remedy = f"write {{{{ {inputs[0]} }}}}"
        yield Finding(
            template.file, "unused-input", message, remedy, template.template_id, "instruction"
        )
    if not task.target & _used(template.target):
        message = f"target does not show {', '.join(task.target)}"
        remedy = f"write {{{{ {next(iter(task.target))} }}}}"
        yield Finding(
            template.file, "constant-target", message, remedy, template.template_id, "target"
        )


def check_sources(template_set: TemplateSet, specs: Collection[PromptSpec]) -> None:
    """Refuse templates of sources that fail or are blank on an edge case, and styles that no template has.

    Raises:
        TemplateSetError: lists all of them.
    """
    templates = {
        w: None for spec in specs for form in template_set.forms(spec) for w in form.templates
    }
    findings = [finding for template in templates for finding in _edge_cases(template)]
    findings += [finding for spec in specs for finding in unknown_styles(template_set, spec)]
    if findings:
        raise TemplateSetError(template_set.name, findings)


def unknown_styles(template_set: TemplateSet, spec: PromptSpec) -> Iterator[Finding]:
    """Yield a finding for each style that a source names and no template of the set has."""
    for style in spec.styles:
        task = style.partition(".")[0]
        known = sorted({w.style for w in template_set.templates if w.task == task})
        fits = any(w.is_of_style(style) for w in template_set.templates)
        if task in spec.tasks and (fits or len(known) == 1):
            continue  # of one style alone, as in the set plain, there is nothing to choose
        message = (
            f"source {spec.id!r} names templates {style!r}, which {template_set.name} does not have"
        )
        message += _nearest(style, known)
        known = [
            w
            for t in spec.tasks
            for w in sorted({w.style for w in template_set.templates if w.task == t})
        ]
        remedy = f"name one of {', '.join(known)}"
        yield Finding("", "unknown-style", message, remedy, field="templates")


def _edge_cases(template: Template) -> Iterator[Finding]:
    task, place = TASKS[template.task], (template.file, template.template_id)
    blank = template.allow_blank
    yield from check_edge_cases(
        template.instruction, task, *place, "instruction", allow_blank=blank
    )
    yield from check_edge_cases(template.target, task, *place, "target")


def _used(template: TemplateText) -> frozenset[str]:
    return template.required | template.optional


def _leaks(
    template: TemplateText, task: Task, file: str, template_id: str, part: str
) -> Iterator[Finding]:
    for name in sorted(task.target & _used(template)):
        message = f"{part} shows {name!r}, which the model must generate"
        remedy = f"remove {name} from the {part}"
        yield Finding(file, "leak", message, remedy, template_id, name)


def _nearest(name: str, known: Collection[str]) -> str:
    similar = get_close_matches(name, known, n=1)
    return f", did you mean {similar[0]!r}?" if similar else ""
