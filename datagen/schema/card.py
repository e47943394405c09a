"""Source cards: the facts about a source, each with its origin and whether it was verified."""

from collections.abc import Collection
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from templates.prompt_spec import PromptSpec, TemplateContent
from templates.tasks import SOURCES, TASKS

T = TypeVar("T")

CATEGORIES = (
    "image captioning",
    "image captioning with reading comprehension",
    "visual reasoning",
    "image question answering",
    "knowledge-grounded image question answering",
    "image question answering with reading comprehension",
    "image question generation",
    "video question answering",
    "visual conversational question answering",
    "image classification",
    "LLaVA-Instruct-150K",
)
"""The paper's eleven task categories (InstructBLIP, figure 2)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Frozen, Generic[T]):
    """A value, where it was read, and whether that was checked against the publisher.

    What is not known is a `None` value, never a guess.
    """

    value: T | None = None
    read_in: str | None = None
    verified: bool = False

    @model_validator(mode="after")
    def _has_origin(self) -> "Fact[T]":
        if self.value is not None and not self.read_in:
            raise ValueError("a known value says where it was read")
        return self


def verified(value: T, read_in: str) -> Fact[T]:
    """Return a value that was checked against the publisher's own files or pages."""
    return Fact[T](value=value, read_in=read_in, verified=True)


def unverified(value: T, read_in: str = "general knowledge") -> Fact[T]:
    """Return a value read elsewhere, or from general knowledge, and not checked."""
    return Fact[T](value=value, read_in=read_in)


class SplitCard(_Frozen):
    """One split: how many records each release of it holds, and whether the paper used it."""

    used_in_paper: bool
    counts: dict[str, Fact[int]] = Field(default_factory=dict)  # release -> records
    note: str | None = None


class FileCard(_Frozen):
    """An official file, below the source's raw folder."""

    name: str
    splits: tuple[str, ...]
    layout_name: str = "official"  # which of several official layouts it belongs to
    download: Fact[str] = Fact()
    required: bool = True


class MediaCard(_Frozen):
    """The folder of images or videos.

    That is `RAW/images/<collection>`, `RAW/videos/<collection>`, or, for what a release ships inside
    its own folder (`own`), the source's raw folder.
    """

    kind: str = Field(pattern="^(images|videos|own)$")
    collection: str
    download: Fact[str] = Fact()


class SourceCard(_Frozen):
    """The card of a source. Those of the 26 have no `name`: it is that of `templates.tasks.SOURCES`."""

    id: str
    name: str | None = None
    task: str
    tasks: tuple[str, ...] = ()  # of all its forms, where there are several
    styles: tuple[str, ...] = ()  # of templates, as in `PromptSpec`; by default all of its tasks
    own_templates: tuple[TemplateContent, ...] = ()
    category: str
    held_in: bool
    splits: dict[str, SplitCard]
    files: tuple[FileCard, ...]
    media: tuple[MediaCard, ...]
    folder: str  # raw folder, shared with the parent in question generation
    home: Fact[str] = Fact()
    licence: Fact[str] = Fact()
    media_licence: Fact[str] = Fact()
    non_commercial: Fact[bool] = Fact()  # unknown counts as True wherever a filter asks
    citation: Fact[str] = Fact()
    max_missing_media: float = 0.05  # share of records whose image may be absent

    @property
    def title(self) -> str:
        return self.name or SOURCES[self.id]

    @property
    def prompts(self) -> PromptSpec:
        """Return what the source is rendered with."""
        tasks = self.tasks or (self.task,)
        return PromptSpec(self.id, self.title, tasks, self.styles, self.own_templates)

    @model_validator(mode="after")
    def _uses_known_names(self) -> "SourceCard":
        tasks = (self.task, *self.tasks)
        names: list[tuple[str, Collection[str], str]] = [(each, TASKS, "task") for each in tasks]
        if self.name is None:
            names += [(self.id, SOURCES, "source id"), (self.category, CATEGORIES, "category")]
        for value, known, what in names:
            if value not in known:
                raise ValueError(f"unknown {what} {value!r}, use one of {', '.join(known)}")
        return self
