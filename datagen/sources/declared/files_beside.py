"""Files that a source is made of beside its data files: joined ones, lists of splits, archives of images.

They are no rows of their own, but a build has to notice when they change.
"""

import re
from collections.abc import Iterator
from string import Formatter

from datagen.files import Files
from datagen.sources.declared.definition import (
    Definition,
    SplitList,
    joined_definition,
    joins_of,
    media_folder,
)
from datagen.sources.declared.readers.files import DataFile, find_files


def files_beside(definition: Definition, files: Files) -> list[DataFile]:
    """Return the joined files, lists and archives that a definition names, each once, sorted by name.

    Raises:
        RawDataError: a joined file is missing.
    """
    found = [*_joined(definition, files), *_lists(definition), *_archives(definition, files)]
    return sorted({each.path: each for each in found}.values(), key=lambda each: each.name)


def _joined(definition: Definition, files: Files) -> Iterator[DataFile]:
    for join in joins_of(definition):
        if join.file is not None or join.hub is not None:
            yield from find_files(joined_definition(definition, join), files)


def _lists(definition: Definition) -> Iterator[DataFile]:
    for each in definition.splits.values():
        if isinstance(each, SplitList):
            yield DataFile(f"{definition.base}/{each.list}", each.list, None, "csv")


def _archives(definition: Definition, files: Files) -> Iterator[DataFile]:
    """Yield the archives that some row may name: a column in their path stands for any text."""
    member = definition.images.member
    if member is None:
        return
    parts = [text + ("" if name is None else "*") for text, name, _, _ in Formatter().parse(member)]
    root = media_folder(definition, definition.images)
    for path in files.match(f"{root}/{re.sub(r'[*]+', '*', ''.join(parts))}"):
        yield DataFile(path, f"images/{path.removeprefix(f'{root}/')}", None, "webdataset")
