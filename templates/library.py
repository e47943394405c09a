"""Template sets: folders of YAML files, one a task, and the protocol prompts beside them.

A task file names its task, the sources that use it and its wordings:

    task: vqa
    sources: [vqav2, okvqa]
    target: "{{ answer }}"
    templates:
      - id: vqa.short_answer.1
        instruction: "Question: {{ question }} Short answer:"

A source that several task files name has several *forms* (A-OKVQA: `vqa` and `multiple_choice`), of
which one is chosen per draw.

The protocols beside them are read by `templates.protocols`.
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


class _WordingEntry(Strict):
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
    templates: list[_WordingEntry] = Field(min_length=1)


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
    """The wordings of one task that a source may be rendered with."""

    task: str
    wordings: tuple[Wording, ...]


@dataclass(frozen=True, eq=False)
class TemplateSet:
    """All wordings, and all protocols by name, of one folder.

    `hash` is of the content, not of the layout, of all that builds render: not of protocols that are
    another choice, which change nothing that is stored.
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
        """Every source that some wording names, sorted."""
        return tuple(sorted({source for wording in self.wordings for source in wording.sources}))


def load_templates(directory: str | Path = "instruct") -> TemplateSet:
    """The template set in `directory`, or the shipped one of that name.

    Protocols come from `directory/protocol/`; where that folder is missing, the shipped ones are used.
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


def _files(folder: Path) -> list[Path]:
    """The task files, then the protocols, of a template set."""
    return [*sorted(folder.glob("*.yaml")), *_protocol_files(folder)]


def _protocol_files(folder: Path) -> list[Path]:
    own = folder / "protocol"
    return sorted((own if own.is_dir() else SHIPPED / "protocol").glob("*.yaml"))


def template_folder(directory: str | Path) -> Path:
    """The folder of a shipped set's name, or `directory` itself."""
    return SHIPPED / str(directory) if str(directory) in SHIPPED_SETS else Path(directory)


def read_templates(folder: Path) -> tuple[TemplateSet, list[Finding]]:
    """What can be read of `folder`, and every finding that keeps the rest from being used."""
    findings: list[Finding] = []
    wordings: list[Wording] = []
    content: list[Any] = []
    files = sorted(folder.glob("*.yaml"))
    if not folder.is_dir():
        remedy = f"give a folder or one of {', '.join(SHIPPED_SETS)}"
        findings.append(Finding(str(folder), "no-folder", "no such folder", remedy))
    elif not files:
        remedy = "write one file a task, such as vqa.yaml"
        findings.append(Finding(str(folder), "no-files", "no *.yaml files", remedy))
    for path in files:
        parsed = parse(path, _TaskFile, findings)
        if parsed is not None:
            content.append(parsed.model_dump())
            wordings.extend(_wordings(path.name, parsed, findings))
    protocols = {each.name: each for each in read_protocols(_protocol_files(folder), findings)}
    content += [each.content for each in protocols.values() if each.name == each.source]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return TemplateSet(folder.name, tuple(wordings), protocols, digest), findings


def _wordings(file: str, parsed: _TaskFile, findings: list[Finding]) -> Iterator[Wording]:
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
