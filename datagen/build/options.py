"""The options of a build, checked all at once."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from datagen.errors import OptionError
from datagen.mixture import MixtureOptions
from datagen.schema.adapter import Source
from datagen.schema.card import SourceCard
from datagen.schema.record import ImageMode
from datagen.sources import load_source, source_ids
from datagen.sources.declared.compile import compile_source, trained_splits, use_of
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.protocol import read_protocol
from datagen.sources.mirrors.compile import compile_mirror
from datagen.sources.mirrors.mirror import Mirrored
from templates.library import SourceTemplates, load_templates
from templates.protocols import Protocol

MIN_MEMORY_BYTES = 512 << 20
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)


class BuildOptions(BaseModel):
    """Options of a build, checked against each other.

    `max_reject_fraction` and `max_missing_fraction` are shares of the rows read, per source; the
    second is about absent images and clips only (None: what the source's card allows). `declared` holds
    the definitions of own sources, by value, so that workers need no file of the user; without `raw`
    there are no others. With `origin` hub, the sources, or `hub_sources` alone, are read from their mirrors
    on the Hugging Face Hub: `mirrors` are those that were found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    raw: str | None = None
    out: str
    origin: Literal["publisher", "hub"] = "publisher"
    hub_sources: tuple[str, ...] | None = None
    declared: tuple[Definition, ...] = ()
    mirrors: tuple[Mirrored, ...] = ()
    sources: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    limit: int | None = Field(None, ge=1)
    images: ImageMode = "reference"
    image_max_side: int | None = Field(None, ge=16)
    image_roots: Mapping[str, str] = Field(default_factory=dict)
    follow_links: bool = False
    missing_images: str = Field("reject", pattern="^(reject|keep)$")
    max_reject_fraction: float = Field(0.05, ge=0, le=1)
    max_missing_fraction: float | None = Field(None, ge=0, le=1)
    seed: int = 0
    template_dir: str = "instruct"
    max_memory: int = Field(2 << 30, ge=MIN_MEMORY_BYTES)
    workers: int | None = Field(None, ge=1)
    stall_minutes: float = Field(10, gt=0, allow_inf_nan=False)
    mixture: MixtureOptions = MixtureOptions()

    def __getstate__(self) -> dict[Any, Any]:
        """Leave out what is cached: compiled templates cannot travel to workers."""
        state = super().__getstate__()
        fields = type(self).model_fields
        return state | {"__dict__": {k: v for k, v in state["__dict__"].items() if k in fields}}

    @field_validator("sources", "splits", "hub_sources")
    @classmethod
    def _each_once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Sorted: the order in which they are given changes nothing."""
        return None if names is None else tuple(sorted(set(names)))

    @field_validator("max_memory", mode="before")
    @classmethod
    def _read_size(cls, value: object) -> object:
        return parse_size(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> "BuildOptions":
        if self.images == "embed" and self.missing_images == "keep":
            raise ValueError(
                "missing_images keep needs images reference: a missing image has no bytes to embed"
            )
        if self.image_max_side is not None and self.images == "reference":
            raise ValueError("image_max_side needs images embed: references are not re-encoded")
        return self

    @cached_property
    def own_sources(self) -> Mapping[str, Source]:
        """The declared sources by id."""
        return {each.name: compile_source(each) for each in self.declared}

    @cached_property
    def mirrored(self) -> Mapping[str, Source]:
        """The sources that are read from mirrors, by id."""
        return {each.name: compile_mirror(each) for each in self.mirrors}

    @property
    def readings(self) -> tuple[Definition, ...]:
        """The definitions by which rows are read: of declared sources and of mirrors."""
        return (*self.declared, *(each.definition for each in self.mirrors))

    @cached_property
    def source_ids(self) -> tuple[str, ...]:
        """The sources to build: the 26, those of `sources` or the mirrors, then the declared ones."""
        published = self.sources or (() if self.raw is None else source_ids())
        if self.origin == "hub" and self.hub_sources is None:
            published = ()
        published = (*published, *(each for each in self.mirrored if each not in published))
        return (*published, *self.own_sources)

    def source(self, source_id: str) -> Source:
        """Return a declared source, a mirror, or one of the 26.

        Raises:
            OptionError: no source has this id.
        """
        found = self.own_sources.get(source_id) or self.mirrored.get(source_id)
        return found or load_source(source_id)

    @cached_property
    def own_protocols(self) -> Mapping[str, Protocol]:
        """The protocols of the declared sources that have a split to evaluate, by source."""
        found = {each.name: read_protocol(each) for each in self.declared}
        return {name: protocol for name, protocol in found.items() if protocol is not None}

    def templates_of(self, source_id: str) -> SourceTemplates:
        """Return what a source is rendered with: templates of its tasks, and its protocol."""
        prompts = self.source(source_id).card.prompts
        found = load_templates(self.template_dir).of(prompts)
        own = self.own_protocols.get(source_id)
        return found if own is None else replace(found, protocol=own)

    def definition(self, source_id: str) -> Definition | None:
        """Return the definition of a declared source; None for one of the 26."""
        return next((each for each in self.declared if each.name == source_id), None)

    def identity(self) -> dict[str, object]:
        """Return the options that the dataset's content depends on: not its paths, nor how it is built."""
        values = self.model_dump(
            mode="json",
            exclude={
                "raw",
                "out",
                "image_roots",
                "follow_links",
                "template_dir",
                "max_memory",
                "workers",
                "stall_minutes",
                "origin",
                "hub_sources",
            },
            by_alias=True,
        )
        for name in ("declared", "mirrors"):
            if not values[name]:
                del values[name]
        return values

    def trains_on(self, card: SourceCard, split: str) -> bool:
        """Return True if a split is a training set: rendered with training templates, and weighted."""
        return card.held_in and split in self.trained_splits(card.id)

    def with_own_mixture(self) -> "BuildOptions":
        """Return the options with what the declared sources say of their weights and training splits.

        What the mixture itself says goes before that.
        """
        splits = {each.name: trained_splits(each) for each in self.declared}
        factors = {each.name: each.weight for each in self.declared if each.weight != 1}
        own: dict[str, dict[str, Any]] = {
            "splits": {
                name: found for name, found in splits.items() if found not in (("train",), ())
            },
            "factors": factors,
        }
        update = {name: {**values, **getattr(self.mixture, name)} for name, values in own.items()}
        return self.model_copy(update={"mixture": self.mixture.model_copy(update=update)})

    def trained_splits(self, source_id: str) -> tuple[str, ...]:
        """Return the splits of a source to train on: as the mixture says, else the definition."""
        definition = self.definition(source_id)
        if definition is not None and source_id not in self.mixture.splits:
            return trained_splits(definition)
        return self.mixture.trained_splits(source_id)

    def evaluates_on(self, card: SourceCard, split: str) -> bool:
        """Return True if a split is rendered with its source's protocol, where there is one."""
        definition = self.definition(card.id)
        if definition is not None:
            return not self.trains_on(card, split) and use_of(definition, split) != "train"
        return split != "train" and not self.trains_on(card, split)

    def use_of(self, card: SourceCard, split: str) -> Literal["train", "evaluate", "unused"]:
        """Return what a split of a built dataset is for."""
        if self.trains_on(card, split):
            return "train"
        return "evaluate" if self.evaluates_on(card, split) else "unused"

    def range_bytes(self, file_bytes: int) -> int:
        """Return the bytes of a file that a worker takes at a time.

        A 256th of the file, so that there are parts enough to spread, between 512 KB and 4 MB, but at
        most a 256th of the memory: decoded, rendered and in columns, a row takes many times its length.
        """
        return min(max(file_bytes >> 8, 512 << 10), 4 << 20, self.max_memory >> 8)

    def comparison_bytes(self) -> int:
        """Return the memory for the comparison of splits: an eighth, beside what is loaded."""
        return self.max_memory >> 3


def make_options(**values: object) -> BuildOptions:
    """Return `BuildOptions` of these values.

    Raises:
        OptionError: some values are not allowed; names all of them.
    """
    try:
        return BuildOptions.model_validate(values)
    except ValidationError as error:
        errors = [
            f"--{'-'.join(map(str, e['loc'])).replace('_', '-')}: {e['msg']}"
            if e["loc"]
            else e["msg"]
            for e in error.errors()
        ]
        raise OptionError("; ".join(errors).replace("Value error, ", "")) from None


def parse_size(text: str) -> int:
    """Return the bytes of `4GB`, `512M` or `1073741824`; units are powers of 1024.

    Raises:
        ValueError: `text` is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 4GB")
    power = "kmgt".find(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * 1024**power)
