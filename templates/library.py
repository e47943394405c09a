"""Template sets: folders of YAML files, one a task, and the protocol prompts beside them.

A task file names its task and its templates:

    task: vqa
    target: "{{ answer }}"
    templates:
      - id: vqa.short_answer.1
        instruction: "Question: {{ question }} Short answer:"

A source is rendered with the templates of its tasks; its `PromptSpec` names these. One of several tasks
has several *forms* (A-OKVQA: `vqa` and `multiple_choice`), of which one is chosen per draw.

The protocols beside them, in `protocol/`, are read by `templates.protocols`. A file replaces the
shipped protocol of its name and may extend any of the others.
"""

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from templates.errors import Finding, TemplateSetError, UnsupportedSyntaxError
from templates.files import Strict, parse
from templates.language import TemplateText, compile_template
from templates.prompt_spec import PromptSpec, TemplateContent
from templates.protocols import Protocol as Protocol
from templates.protocols import read_protocols
from templates.tasks import OWN_TASKS, SOURCES, TASKS, Task

SHIPPED = Path(__file__).parent
SHIPPED_SETS = ("instruct", "plain", "task_dataset_prefix")
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]


class _TemplateEntry(Strict):
    id: Identifier
    instruction: str
    target: str | None = None
    needs: list[str] = Field(default_factory=list)
    sources: list[str] | None = None  # deprecated


class _TaskFile(Strict):
    task: str
    sources: list[str] | None = Field(None, min_length=1)  # deprecated
    target: str
    prefix: str = ""
    allow_blank: bool = False
    templates: list[_TemplateEntry] = Field(min_length=1)


@dataclass(frozen=True, eq=False)
class Template:
    """One instruction and the target that answers it.

    `needs` are fields that an example must have beside those that the texts require. `sources` is None,
    except in files of the deprecated form, whose templates are for these sources alone.
    """

    template_id: str
    task: str
    file: str
    instruction: TemplateText
    target: TemplateText
    allow_blank: bool = False
    needs: frozenset[str] = frozenset()
    sources: tuple[str, ...] | None = None

    @cached_property
    def required(self) -> frozenset[str]:
        """Fields that an example must have; those of the target are always present."""
        return (self.instruction.required | self.needs) - TASKS[self.task].target

    @property
    def style(self) -> str:
        """The id without its number."""
        return self.template_id.rpartition(".")[0]

    def is_of_style(self, style: str) -> bool:
        """Return True if `style` is the template's id or the beginning of it, in whole parts."""
        return f"{self.template_id}.".startswith(f"{style}.")

    @property
    def content(self) -> TemplateContent:
        """Return the template by value."""
        return TemplateContent(
            id=self.template_id,
            task=self.task,
            instruction=self.instruction.source,
            target=self.target.source,
            allow_blank=self.allow_blank,
            needs=tuple(sorted(self.needs)),
        )


@dataclass(frozen=True)
class Form:
    """Templates of one task that a source may be rendered with."""

    task: str
    templates: tuple[Template, ...]


@dataclass(frozen=True, eq=False)
class SourceTemplates:
    """All that a set renders one source with: its forms, its default protocol, its name in texts."""

    spec: PromptSpec
    forms: tuple[Form, ...]
    protocol: Protocol | None

    @cached_property
    def training_hash(self) -> str:
        """Hash of what training examples are rendered with."""
        content = [asdict(each.content) for form in self.forms for each in form.templates]
        return _hash([self.spec.title, content])

    @cached_property
    def evaluation_hash(self) -> str:
        """Hash of what evaluation splits are rendered with: the default protocol, else the templates."""
        if self.protocol is None:
            return self.training_hash
        return _hash([self.spec.title, self.protocol.content])

    @cached_property
    def hash(self) -> str:
        """Fingerprint of both."""
        return _hash([self.training_hash, self.evaluation_hash])


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class TemplateSet:
    """All templates, and all protocols by name, of one folder.

    `hash` covers the content, not the layout, of all that a build renders: the templates and each
    source's default protocol. Variants of protocols change nothing that is stored and do not count.
    Default protocols are the folder's own, and the shipped ones of all other sources.
    """

    name: str
    templates: tuple[Template, ...]
    protocols: Mapping[str, Protocol]
    hash: str
    deprecated: tuple[str, ...] = ()
    _of: dict[PromptSpec, SourceTemplates] = field(default_factory=dict, repr=False)

    def of(self, spec: PromptSpec) -> SourceTemplates:
        """Return what a source is rendered with; without forms where no template fits it."""
        if spec not in self._of:
            forms = (Form(task, tuple(self._fitting(spec, task))) for task in TASKS)
            found = tuple(form for form in forms if form.templates)
            self._of[spec] = SourceTemplates(spec, found, self.protocols.get(spec.id))
        return self._of[spec]

    def forms(self, spec: PromptSpec) -> tuple[Form, ...]:
        """Return the forms of a source, in the order of `TASKS`."""
        return self.of(spec).forms

    def hash_with(self, specs: Iterable[PromptSpec]) -> str:
        """Return the hash of the set and of what `specs` choose from it or add to it.

        That is `hash` alone where all of them are of the 26.
        """
        chosen = {spec.id: self.of(spec).hash for spec in specs if spec.id not in SOURCES}
        return _hash([self.hash, chosen]) if chosen else self.hash

    def _fitting(self, spec: PromptSpec, task: str) -> list[Template]:
        if task in spec.tasks and (own := [each for each in spec.own if each.task == task]):
            return [_compiled(each) for each in own]
        found = [
            each
            for each in self.templates
            if each.task == task
            and (task in spec.tasks if each.sources is None else spec.id in each.sources)
        ]
        wanted = spec.styles_of(task)
        styled = [each for each in found if any(map(each.is_of_style, wanted))]
        is_choice = wanted and len({each.style for each in found}) > 1
        return styled if is_choice else found


def load_templates(directory: str | Path = "instruct") -> TemplateSet:
    """Return the template set in `directory`, or the shipped set of that name.

    Protocols in `directory/protocol/` replace the shipped ones of their names.
    Files that have not changed are not parsed again.

    Raises:
        TemplateSetError: lists every error in every file.
    """
    folder = template_folder(directory)
    state = tuple((str(path), path.stat().st_mtime_ns) for path in _files(folder))
    return _load(folder, state)


@lru_cache(maxsize=8)
def _load(folder: Path, state: tuple[tuple[str, int], ...]) -> TemplateSet:
    template_set, findings = read_templates(folder)
    if findings:
        raise TemplateSetError(str(folder), findings)
    if template_set.deprecated:
        warnings.warn(deprecation(folder, template_set), FutureWarning, stacklevel=3)
    return template_set


def deprecation(folder: Path, template_set: TemplateSet) -> str:
    """Return a sentence about files of the form that the next release refuses."""
    names = ", ".join(template_set.deprecated)
    return (
        f"{folder}: sources: in {names} is deprecated and will be refused by the next release; templates are "
        "chosen by task, so remove the lines (docs/how_to/add_a_template.md)"
    )


def load_protocols(directory: str | Path | None) -> Mapping[str, Protocol]:
    """Return the protocols by name; those in `directory/protocol/` replace the shipped ones.

    Task files are neither needed nor read. `directory` is as in `load_templates`; None takes the
    shipped protocols alone.

    Raises:
        TemplateSetError: the folder is missing or empty, or files have errors; lists all of them.
    """
    folder = template_folder("instruct" if directory is None else directory)
    findings = list(_nothing_in(folder, "write protocol/<source>.<name>.yaml"))
    if has_only_protocols(folder):
        findings = []
    protocols = _read_protocols(folder, findings)
    if findings:
        raise TemplateSetError(str(folder), findings)
    return protocols


def has_only_protocols(folder: Path) -> bool:
    """Return True if a folder holds protocols and no task files: enough to evaluate, not to build."""
    return bool(_own_protocols(folder)) and not any(folder.glob("*.yaml"))


def _files(folder: Path) -> list[Path]:
    """Return the task files, then the protocols, of a template set."""
    own = _own_protocols(folder)
    replaced = {path.name for path in own}
    shipped = [path for path in _shipped_protocols() if path.name not in replaced]
    return [*sorted(folder.glob("*.yaml")), *shipped, *own]


def _own_protocols(folder: Path) -> list[Path]:
    return sorted((folder / "protocol").glob("*.yaml"))


def _shipped_protocols() -> list[Path]:
    return sorted((SHIPPED / "protocol").glob("*.yaml"))


def _read_protocols(folder: Path, findings: list[Finding]) -> dict[str, Protocol]:
    """Return a folder's protocols and the shipped ones that it does not replace, sorted by file.

    A shipped variant extends the shipped file even where the folder replaces that file: `gqa.exact`
    means the same with every folder.
    """
    shipped, own = _shipped_protocols(), _own_protocols(folder)
    if not own and (folder / "protocol").exists():
        remedy = "name its files <source>.yaml or <source>.<name>.yaml, or remove the folder"
        findings.append(Finding("protocol", "no-files", "no *.yaml files in it", remedy))
    replaced = {path.stem for path in own}
    kept = [each for each in read_protocols(shipped, findings) if each.name not in replaced]
    found = [*kept, *read_protocols(own, findings, beside=shipped)]
    return {each.name: each for each in sorted(found, key=lambda each: each.file)}


def template_folder(directory: str | Path) -> Path:
    """Return the folder of the shipped set of that name, or `directory` itself."""
    return SHIPPED / str(directory) if str(directory) in SHIPPED_SETS else Path(directory)


def _nothing_in(folder: Path, remedy: str) -> Iterator[Finding]:
    """Yield a finding if `folder` is no folder or holds no task files."""
    if not folder.is_dir():
        known = f"give a folder or one of {', '.join(SHIPPED_SETS)}"
        yield Finding(str(folder), "no-folder", "no such folder", known)
    elif not any(folder.glob("*.yaml")):
        yield Finding(str(folder), "no-files", "no *.yaml files", remedy)


def read_templates(
    folder: Path, *, needs_templates: bool = True
) -> tuple[TemplateSet, list[Finding]]:
    """Return the valid templates of `folder`, and a finding for each error in the others."""
    remedy = "write one file a task, such as vqa.yaml"
    if has_only_protocols(folder):
        remedy += "; protocol/ alone is enough to evaluate, not to build"
    findings = list(_nothing_in(folder, remedy)) if needs_templates else []
    templates: list[Template] = []
    content: list[Any] = []
    deprecated: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        parsed = parse(path, _TaskFile, findings)
        if parsed is not None:
            if parsed.task not in OWN_TASKS:
                content.append(_content(parsed))
            templates.extend(_templates(path.name, parsed, findings))
            if parsed.sources or any(entry.sources for entry in parsed.templates):
                deprecated.append(path.name)
    protocols = _read_protocols(folder, findings)
    content += [each.content for each in protocols.values() if each.name == each.source]
    made = TemplateSet(folder.name, tuple(templates), protocols, _hash(content), tuple(deprecated))
    return made, findings


def _content(parsed: _TaskFile) -> dict[str, Any]:
    """Return what the hash of the set covers; a file of the deprecated form keeps the hash that it had."""
    content = parsed.model_dump()
    if parsed.sources is None:
        del content["sources"]
    for entry in content["templates"]:
        if not entry["needs"]:
            del entry["needs"]
    return content


def read_own_templates(folder: Path) -> tuple[TemplateContent, ...]:
    """Return the templates of a folder by value, for a source that brings its own.

    Raises:
        TemplateSetError: lists every error in every file.
    """
    template_set = load_templates(folder)
    return tuple(template.content for template in template_set.templates)


@lru_cache(maxsize=4096)
def _compiled(content: TemplateContent) -> Template:
    fields = TASKS[content.task].fields
    return Template(
        template_id=content.id,
        task=content.task,
        file="",
        instruction=compile_template(content.instruction, fields),
        target=compile_template(content.target, fields),
        allow_blank=content.allow_blank,
        needs=frozenset(content.needs),
    )


def _templates(file: str, parsed: _TaskFile, findings: list[Finding]) -> Iterator[Template]:
    task = TASKS.get(parsed.task)
    if task is None:
        message, remedy = f"unknown task {parsed.task!r}", f"use one of {', '.join(TASKS)}"
        findings.append(Finding(file, "unknown-task", message, remedy, field="task"))
        return
    for entry in parsed.templates:
        texts = {
            "instruction": parsed.prefix + entry.instruction,
            "target": parsed.target if entry.target is None else entry.target,
        }
        compiled = {}
        for part, text in texts.items():
            try:
                compiled[part] = compile_template(text, task.fields)
            except UnsupportedSyntaxError as error:
                shared = _shared_part(parsed, entry, part, task, error)
                message, field = f"{shared or part}: {error.message}", error.field or shared or part
                place = "" if shared else entry.id
                finding = Finding(file, "syntax", message, error.remedy, place, field)
                if finding not in findings:  # a shared part is reported once, not for each template
                    findings.append(finding)
        unknown = [name for name in entry.needs if name not in task.fields]
        for name in unknown:
            message = f"needs unknown field {name!r}"
            remedy = f"this task has {', '.join(sorted(task.fields))}"
            findings.append(Finding(file, "syntax", message, remedy, entry.id, name))
        if len(compiled) == len(texts) and not unknown:
            sources = parsed.sources if entry.sources is None else entry.sources
            yield Template(
                template_id=entry.id,
                task=parsed.task,
                file=file,
                allow_blank=parsed.allow_blank,
                needs=frozenset(entry.needs),
                sources=None if sources is None else tuple(sources),
                **compiled,
            )


def _shared_part(
    parsed: _TaskFile, entry: _TemplateEntry, part: str, task: Task, error: UnsupportedSyntaxError
) -> str | None:
    """Return the key of the file that holds the error of a template's `part`, if the file does."""
    if part == "target":
        return "target" if entry.target is None else None
    try:
        compile_template(parsed.prefix, task.fields)
    except UnsupportedSyntaxError as of_prefix:
        return "prefix" if of_prefix.message == error.message else None
    return None
