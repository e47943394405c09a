"""Template sets: folders of YAML files, one a task, and the protocol prompts beside them.

A task file names its task, the sources that use it and its templates:

    task: vqa
    sources: [vqav2, okvqa]
    target: "{{ answer }}"
    templates:
      - id: vqa.short_answer.1
        instruction: "Question: {{ question }} Short answer:"

A source that several task files name has several *forms* (A-OKVQA: `vqa` and `multiple_choice`), of
which one is chosen per draw.

The protocols beside them, in `protocol/`, are read by `templates.protocols`. A file replaces the
shipped protocol of its name and may extend any of the others.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from templates.errors import Finding, TemplateSetError, UnsupportedSyntaxError
from templates.files import Strict, parse
from templates.language import TemplateText, compile_template
from templates.protocols import Protocol as Protocol
from templates.protocols import read_protocols
from templates.tasks import TASKS, Task

SHIPPED = Path(__file__).parent
SHIPPED_SETS = ("instruct", "plain", "task_dataset_prefix")
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]


class _TemplateEntry(Strict):
    id: Identifier
    instruction: str
    target: str | None = None
    sources: list[str] | None = None


class _TaskFile(Strict):
    task: str
    sources: list[str] = Field(min_length=1)
    target: str
    prefix: str = ""
    allow_blank: bool = False
    templates: list[_TemplateEntry] = Field(min_length=1)


@dataclass(frozen=True, eq=False)
class Template:
    """One instruction and the target that answers it."""

    template_id: str
    task: str
    file: str
    instruction: TemplateText
    target: TemplateText
    sources: tuple[str, ...]
    allow_blank: bool = False

    @cached_property
    def required(self) -> frozenset[str]:
        """Fields that the instruction requires; those of the target are always present."""
        return self.instruction.required - TASKS[self.task].target


@dataclass(frozen=True)
class Form:
    """Templates of one task that a source may be rendered with."""

    task: str
    templates: tuple[Template, ...]


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
    _forms: dict[str, tuple[Form, ...]] = field(default_factory=dict, repr=False)

    def forms(self, source: str) -> tuple[Form, ...]:
        """Return the forms of `source`, in the order of `TASKS`; empty where no file names it."""
        if source not in self._forms:
            mine = [template for template in self.templates if source in template.sources]
            grouped = ((task, tuple(w for w in mine if w.task == task)) for task in TASKS)
            self._forms[source] = tuple(Form(task, group) for task, group in grouped if group)
        return self._forms[source]

    def sources(self) -> tuple[str, ...]:
        """Return the sources of all templates, sorted."""
        return tuple(sorted({source for template in self.templates for source in template.sources}))


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
    return template_set


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
    for path in sorted(folder.glob("*.yaml")):
        parsed = parse(path, _TaskFile, findings)
        if parsed is not None:
            content.append(parsed.model_dump())
            templates.extend(_templates(path.name, parsed, findings))
    protocols = _read_protocols(folder, findings)
    content += [each.content for each in protocols.values() if each.name == each.source]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return TemplateSet(folder.name, tuple(templates), protocols, digest), findings


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
        if len(compiled) == len(texts):
            yield Template(
                template_id=entry.id,
                task=parsed.task,
                file=file,
                sources=tuple(parsed.sources if entry.sources is None else entry.sources),
                allow_blank=parsed.allow_blank,
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
