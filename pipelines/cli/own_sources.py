"""Source files named on a command line. What is checked here is what `datagen` cannot know: the trainer's metrics."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from datagen.errors import nearest
from datagen.sources.declared.compile import compile_source
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.load import SourceFileError, read_definitions
from datagen.sources.declared.normalise import resolve
from datagen.sources.declared.protocol import read_protocol
from datagen.sources.declared.readers.data_file import DataFile
from datagen.stores.any_files import AnyFiles
from templates.prompt_spec import PromptSpec
from templates.protocols import Protocol


def read_source_files(paths: Iterable[str]) -> list[Definition]:
    """Return the sources that files declare, in their order.

    Raises:
        SourceFileError: a file cannot be used, or names a metric that there is not.
    """
    found = []
    for path in paths:
        for definition in read_definitions(path):
            _check_metric(path, definition)
            found.append(definition)
    return found


class OwnSource(NamedTuple):
    """A source of a source file, with its data files and what its examples are rendered with."""

    definition: Definition
    data_files: Sequence[DataFile]
    prompts: PromptSpec
    protocol: Protocol | None


def is_source_file(name: str) -> bool:
    """Return True for the path of a source file, False for the id of a source."""
    return name.endswith((".yaml", ".yml")) or os.sep in name


def open_source_file(path: str) -> list[OwnSource]:
    """Return the sources of a file, their data files found.

    Raises:
        SourceFileError: the file cannot be used.
        RawDataError: a data file is missing.
    """
    found = []
    for definition in read_source_files([path]):
        resolved, data_files = resolve(definition, AnyFiles())
        prompts = compile_source(resolved).card.prompts
        found.append(OwnSource(resolved, data_files, prompts, read_protocol(resolved)))
    return found


def _check_metric(path: str, definition: Definition) -> None:
    name = definition.evaluation.metric
    if name is None:
        return
    from trainer.evaluation.metrics.table import METRICS

    if name not in METRICS:
        hint = nearest(name, METRICS)
        raise SourceFileError(
            f"{path}: evaluation.metric of {definition.name}: there is no metric {name!r}{hint}; "
            f"there are {', '.join(METRICS)}"
        )
