"""Source files named on a command line. What is checked here is what `datagen` cannot know: the trainer's metrics."""

from collections.abc import Iterable

from datagen.errors import nearest
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.load import SourceFileError, read_definitions


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
