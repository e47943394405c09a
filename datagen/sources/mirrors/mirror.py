"""What is known of a mirror, and how its rows become the publisher's: the YAML files of this folder."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from datagen.errors import OptionError, nearest
from datagen.sources import SOURCE_IDS
from datagen.sources.declared.definition import Definition, OneOrMore
from datagen.sources.declared.yaml_text import parse_documents

FOLDER = Path(__file__).parent
NOT_OFFERED = FOLDER / "not_offered.yaml"

Expressions: TypeAlias = Mapping[str, str]
"""Fields of a publisher's row, each with the column or JMESPath expression that gives it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class MirrorSplit(_Frozen):
    """A split as the mirror calls it, and its rows there; a text was rounded by the page it was read on."""

    name: str
    rows: int | str | None = None


class PublisherRows(_Frozen):
    """How a row of a mirror becomes rows of the publisher's file, as the source's adapter decodes them.

    `row` gives its fields, `found` the rows that an adapter looks up, `key` the name that rows have in
    files that are objects; without `row` the mirror's row is the publisher's. `each` makes several rows of one.
    `image` is the column with the image's bytes. `fields` are typed fields of the example itself that the
    mirror has and the publisher's row has not. `group: content` groups by the image's bytes, where the mirror
    lacks the image's id. `splits` has keys of splits that differ. `layout` is the official layout whose rows these are.
    """

    layout: str | None = None
    image: str | None = None
    key: str | None = None
    row: Expressions | None = None
    found: Expressions = Field(default_factory=dict)
    fields: Expressions = Field(default_factory=dict)
    group: Literal["publisher", "content"] = "publisher"
    each: OneOrMore | None = None
    splits: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)

    def of_split(self, split: str) -> "PublisherRows":
        """Return what holds for one split."""
        values = self.model_dump() | {"splits": {}} | dict(self.splits.get(split, {}))
        return PublisherRows.model_validate(values)


class Mirror(_Frozen):
    """The facts of one mirror, and how it is read.

    `revision` is the commit that is read; without one, that of the day, which a build records. `seen` is
    the newest commit whose files or card were looked at. `columns` are those of its files with their types,
    None where the type was not seen; `all_columns` says that it had no others. `joined_columns` are those of
    files that are joined, by the join's name. Every fact was read on the pages of `read_in`, none of them
    checked against the publisher's files.
    """

    source: str
    repository: str
    also_at: str | None = None
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    seen: str | None = None
    kind: Literal["parquet", "json"]
    pictures: Literal["embedded", "none"]
    use: tuple[Literal["train", "evaluate"], ...]
    splits: Mapping[str, MirrorSplit]
    lacks: tuple[str, ...] = ()
    download: str | None = None
    licence_tag: str | None = None
    read_in: tuple[str, ...] = Field(min_length=1)
    columns: Mapping[str, str | None]
    all_columns: bool
    columns_of: Mapping[str, Mapping[str, str | None]] = Field(default_factory=dict)
    joined_columns: Mapping[str, Mapping[str, str | None]] = Field(default_factory=dict)
    definition: Mapping[str, Any]
    publisher: PublisherRows

    @field_validator("source")
    @classmethod
    def _is_one_of_ours(cls, source: str) -> str:
        if source not in SOURCE_IDS:
            raise ValueError(f"{source!r} is none of the sources")
        return source

    def read_as(self, splits: tuple[str, ...], repository: str | None = None) -> Definition:
        """Return the definition by which some of its splits are read, from `repository` if it has moved.

        The name is that of one of the 26, which no file of a user may declare.
        """
        values: dict[str, Any] = {"task": "vqa", **self.definition, "name": self.source}
        names = list(dict.fromkeys(self.splits[split].name for split in splits))
        here = {"repo": repository or self.repository, "revision": self.revision, "splits": names}
        values["hub"] = {**self.definition.get("hub", {}), **here}
        join = self.definition.get("join")
        if join is not None:
            own = here if join["hub"]["repo"] == self.repository else {"splits": names}
            values["join"] = {**join, "hub": {**join["hub"], **own}}
        return Definition.model_validate(values)


class Mirrored(_Frozen):
    """A mirror that was found, and what of it is read; by value, so that workers need no file of it."""

    definition: Definition
    publisher: PublisherRows
    splits: tuple[str, ...]
    revision: str | None
    lacks: tuple[str, ...]

    @property
    def name(self) -> str:
        """The source's id."""
        return self.definition.name


def mirror_ids() -> tuple[str, ...]:
    """Return the sources that have a mirror, in the order of the table."""
    return tuple(each for each in SOURCE_IDS if (FOLDER / f"{each}.yaml").is_file())


@cache
def read_mirror(source: str) -> Mirror:
    """Return the mirror of a source.

    Raises:
        OptionError: it has none that is offered, and why.
    """
    if source not in mirror_ids():
        known = ", ".join(mirror_ids())
        why = reasons().get(source)
        if why is None:
            raise OptionError(
                f"source {source!r} has no mirror on the Hub{nearest(source, mirror_ids())}; there are "
                f"mirrors of {known}"
            )
        raise OptionError(
            f"source {source!r} cannot be built from the Hub: {why}; build it from the publisher's files, "
            f"without --from hub. There are mirrors of {known}"
        )
    (values,) = parse_documents((FOLDER / f"{source}.yaml").read_bytes())
    parent = values.pop("same_as", None)
    if parent is not None:
        return read_mirror(parent).model_copy(
            update={"source": source} | _splits_of(parent, values)
        )
    return Mirror.model_validate({"source": source, **values})


def _splits_of(parent: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a source that is made from another's rows changes: it may lack splits."""
    splits = values.get("splits", ())
    kept = {name: each for name, each in read_mirror(parent).splits.items() if name in splits}
    return {"splits": kept, "use": tuple(values["use"])}


@cache
def reasons() -> Mapping[str, str]:
    """Return why the other sources have no mirror that is offered."""
    (values,) = parse_documents(NOT_OFFERED.read_bytes())
    return {str(source): str(why) for source, why in values.items()}
