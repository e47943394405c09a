"""Files that a source is made of beside its data files: joined ones, lists of splits, archives of images.

They are no rows of their own, but a build has to notice when they change.
"""

import os
import re
from collections.abc import Iterator, Mapping
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
from datagen.sources.declared.readers.hub import folder_of
from datagen.sources.declared.readers.hub_card import CARD, labelled_features


def files_beside(definition: Definition, files: Files) -> list[DataFile]:
    """Return the joined files, lists and archives that a definition names, each once, sorted by name.

    Raises:
        RawDataError: a joined file is missing.
    """
    found = [*_joined(definition, files), *_lists(definition), *_archives(definition, files)]
    found += _cards(definition)
    return sorted({each.path: each for each in found}.values(), key=lambda each: each.name)


def _joined(definition: Definition, files: Files) -> Iterator[DataFile]:
    for join in joins_of(definition):
        if join.file is not None or join.hub is not None:
            yield from find_files(joined_definition(definition, join), files)


def _lists(definition: Definition) -> Iterator[DataFile]:
    for each in definition.splits.values():
        if isinstance(each, SplitList):
            yield DataFile(f"{definition.base}/{each.list}", each.list, None, "csv")


def _cards(definition: Definition) -> Iterator[DataFile]:
    """Yield the card of a copy of a Hub repository that names labels of its files."""
    hub = definition.hub
    folder = None if hub is None else folder_of(definition, hub)
    if hub is not None and folder is not None and os.path.isdir(folder):
        configs = hub.config.values() if isinstance(hub.config, Mapping) else [hub.config]
        if any(labelled_features(folder, each) for each in configs):
            yield DataFile(os.path.join(folder, CARD), f"{hub.repo}/{CARD}", None, "csv")


def _archives(definition: Definition, files: Files) -> Iterator[DataFile]:
    """Yield the archives that some row may name: a column in their path stands for any text."""
    member = definition.images.member
    if member is None:
        return
    parts = [text + ("" if name is None else "*") for text, name, _, _ in Formatter().parse(member)]
    root = media_folder(definition, definition.images)
    for path in files.match(f"{root}/{re.sub(r'[*]+', '*', ''.join(parts))}"):
        yield DataFile(path, f"images/{path.removeprefix(f'{root}/')}", None, "webdataset")
