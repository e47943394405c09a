"""A data file of a declared source, with its split and format."""

from dataclasses import dataclass

from datagen.sources.declared.definition import FormatName


@dataclass(frozen=True)
class DataFile:
    """A file, or a folder that is read as one; `name` is relative to the source file."""

    path: str
    name: str
    split: str | None
    format: FormatName
