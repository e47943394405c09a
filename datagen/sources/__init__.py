"""The sources that can be built: one adapter module each, one line each in this table."""

from functools import cache
from importlib import import_module

from datagen.errors import OptionError, nearest
from datagen.source import Source

SOURCE_IDS = (
    "coco_caption",
    "vqav2",
    "vqav2_qg",
    "scienceqa",
    "visdial",
    "msvd_qa",
)


@cache
def load_source(source_id: str) -> Source:
    """The adapter of a source.

    Raises:
        OptionError: no source has this id.
    """
    if source_id not in SOURCE_IDS:
        raise OptionError(
            f"unknown source {source_id!r}{nearest(source_id, SOURCE_IDS)}; "
            f"known are {', '.join(SOURCE_IDS)}"
        )
    source: Source = import_module(f"datagen.sources.{source_id}").SOURCE
    return source


def all_sources() -> tuple[Source, ...]:
    return tuple(load_source(source_id) for source_id in SOURCE_IDS)
