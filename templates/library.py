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

The protocols beside them, in `protocol/`, are read by `templates.protocols`. They stand in front of the
shipped ones: a file replaces the shipped one of its name, and may extend any of the others.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from templates.catalog import TASKS
from templates.errors import Finding, SyntaxRefused, TemplateSetError
from templates.files import Strict, parse
from templates.language import Template, compile_template
from templates.protocols import Protocol as Protocol
from templates.protocols import read_protocols

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
class Wording:
    """One instruction and the target that answers it."""

    template_id: str
    task: str
    file: str
    instruction: Template
    target: Template
    sources: tuple[str, ...]
    allow_blank: bool = False

    @cached_property
    def required(self) -> frozenset[str]:
        """Fields that the instruction cannot do without (the target's are always there)."""
        return self.instruction.required - TASKS[self.task].target


@dataclass(frozen=True)
class Form:
    """The templates of one task that a source may be rendered with."""

    task: str
    wordings: tuple[Wording, ...]


@dataclass(frozen=True, eq=False)
class TemplateSet:
    """All templates, and all protocols by name, of one folder.

    `hash` is of the content, not of the layout, of all that builds render: not of protocols that are
    another choice, which change nothing that is stored. The protocols that builds ask with are the
    folder's own, and the shipped ones of all other sources.
    """

    name: str
    wordings: tuple[Wording, ...]
    protocols: Mapping[str, Protocol]
    hash: str
    _forms: dict[str, tuple[Form, ...]] = field(default_factory=dict, repr=False)

    def forms(self, source: str) -> tuple[Form, ...]:
        """The forms of `source`, in the order of `TASKS`; empty where no file names it."""
        if source not in self._forms:
            mine = [wording for wording in self.wordings if source in wording.sources]
            grouped = ((task, tuple(w for w in mine if w.task == task)) for task in TASKS)
            self._forms[source] = tuple(Form(task, group) for task, group in grouped if group)
        return self._forms[source]

    def sources(self) -> tuple[str, ...]:
        """Every source that some template names, sorted."""
        return tuple(sorted({source for wording in self.wordings for source in wording.sources}))


def load_templates(directory: str | Path = "instruct") -> TemplateSet:
    """The template set in `directory`, or the shipped one of that name.

    Protocols are the shipped ones, and those of `directory/protocol/` in front of them.
    Files that have not changed are not parsed again.

    Raises:
        TemplateSetError: says every mistake in every file at once.
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
    """The protocols by name: the shipped ones, and in front of them those of `directory/protocol/`.

    Task files are neither needed nor read. `directory` is as in `load_templates`; None is no folder.

    Raises:
        TemplateSetError: there is no such folder, or nothing in it; or every mistake in every file.
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
    """Whether a folder holds protocols and no task files: enough to evaluate with, not to build."""
    return bool(_own_protocols(folder)) and not any(folder.glob("*.yaml"))


def _files(folder: Path) -> list[Path]:
    """The task files, then the protocols, of a template set."""
    own = _own_protocols(folder)
    replaced = {path.name for path in own}
    shipped = [path for path in _shipped_protocols() if path.name not in replaced]
    return [*sorted(folder.glob("*.yaml")), *shipped, *own]


def _own_protocols(folder: Path) -> list[Path]:
    return sorted((folder / "protocol").glob("*.yaml"))


def _shipped_protocols() -> list[Path]:
    return sorted((SHIPPED / "protocol").glob("*.yaml"))


def _read_protocols(folder: Path, findings: list[Finding]) -> dict[str, Protocol]:
    """The protocols of a folder and the shipped ones that it does not replace, in their files' order.

    A shipped variant extends the shipped file even where the folder replaces that: what `gqa.exact`
    means does not depend on the folder.
    """
    shipped, own = _shipped_protocols(), _own_protocols(folder)
    if not own and (folder / "protocol").exists():
        remedy = "name its files <source>.yaml or <source>.<name>.yaml, or take it away"
        findings.append(Finding("protocol", "no-files", "no *.yaml files in it", remedy))
    replaced = {path.stem for path in own}
    kept = [each for each in read_protocols(shipped, findings) if each.name not in replaced]
    found = [*kept, *read_protocols(own, findings, beside=shipped)]
    return {each.name: each for each in sorted(found, key=lambda each: each.file)}


def template_folder(directory: str | Path) -> Path:
    """The folder of a shipped set's name, or `directory` itself."""
    return SHIPPED / str(directory) if str(directory) in SHIPPED_SETS else Path(directory)


def _nothing_in(folder: Path, remedy: str) -> Iterator[Finding]:
    """A finding if `folder` is none, or holds no task files."""
    if not folder.is_dir():
        known = f"give a folder or one of {', '.join(SHIPPED_SETS)}"
        yield Finding(str(folder), "no-folder", "no such folder", known)
    elif not any(folder.glob("*.yaml")):
        yield Finding(str(folder), "no-files", "no *.yaml files", remedy)


def read_templates(
    folder: Path, *, needs_templates: bool = True
) -> tuple[TemplateSet, list[Finding]]:
    """What can be read of `folder`, and every finding that keeps the rest from being used."""
    remedy = "write one file a task, such as vqa.yaml"
    if has_only_protocols(folder):
        remedy += "; protocol/ alone is enough to evaluate, not to build"
    findings = list(_nothing_in(folder, remedy)) if needs_templates else []
    wordings: list[Wording] = []
    content: list[Any] = []
    for path in sorted(folder.glob("*.yaml")):
        parsed = parse(path, _TaskFile, findings)
        if parsed is not None:
            content.append(parsed.model_dump())
            wordings.extend(_templates(path.name, parsed, findings))
    protocols = _read_protocols(folder, findings)
    content += [each.content for each in protocols.values() if each.name == each.source]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return TemplateSet(folder.name, tuple(wordings), protocols, digest), findings


def _templates(file: str, parsed: _TaskFile, findings: list[Finding]) -> Iterator[Wording]:
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
            except SyntaxRefused as error:
                message, field = f"{part}: {error.message}", error.field or part
                findings.append(Finding(file, "syntax", message, error.remedy, entry.id, field))
        if len(compiled) == len(texts):
            yield Wording(
                template_id=entry.id,
                task=parsed.task,
                file=file,
                sources=tuple(parsed.sources if entry.sources is None else entry.sources),
                allow_blank=parsed.allow_blank,
                **compiled,
            )
