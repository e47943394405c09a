"""The sources that can be built: those of the table, an adapter module each, and those of installed packages.

A package offers sources by entry points of the group `visinstruct.sources`: the name is the source's id,
the value an object of type `datagen.schema.adapter.Source`, whose card has a `name`.
"""

import inspect
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from datagen.errors import OptionError, nearest
from datagen.schema.adapter import Source

ENTRY_POINTS = "visinstruct.sources"

SOURCE_IDS = (
    "coco_caption",
    "web_capfilt",
    "textcaps",
    "vqav2",
    "okvqa",
    "aokvqa",
    "ocr_vqa",
    "vqav2_qg",
    "okvqa_qg",
    "aokvqa_qg",
    "llava_conversation",
    "llava_detail",
    "llava_reasoning",
    "nocaps",
    "flickr30k",
    "vizwiz",
    "textvqa",
    "gqa",
    "vsr",
    "iconqa",
    "scienceqa",
    "visdial",
    "hateful_memes",
    "msvd_qa",
    "msrvtt_qa",
    "ivqa",
)


@cache
def installed_sources() -> dict[str, EntryPoint]:
    """Return the entry points of installed packages that offer sources, by id, sorted.

    Raises:
        OptionError: two packages offer one id, or one offers an id of the table.
    """
    found: dict[str, EntryPoint] = {}
    for entry in sorted(
        entry_points(group=ENTRY_POINTS), key=lambda each: (each.name, _package(each))
    ):
        package = _package(entry)
        if entry.name in SOURCE_IDS:
            raise OptionError(
                f"the package {package} offers a source {entry.name!r}, which visinstruct has; its entry "
                "point needs another name"
            )
        if entry.name in found:
            raise OptionError(
                f"the packages {_package(found[entry.name])} and {package} both offer a source "
                f"{entry.name!r}; uninstall one of them"
            )
        found[entry.name] = entry
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def source_ids() -> tuple[str, ...]:
    """Return the ids of all sources: those of the table in its order, then those of packages."""
    return (*SOURCE_IDS, *installed_sources())


@cache
def load_source(source_id: str) -> Source:
    """Return the adapter of a source.

    Raises:
        OptionError: no source has this id, or the package that offers it cannot be used.
    """
    if source_id in SOURCE_IDS:
        source: Source = import_module(f"datagen.sources.{source_id}").SOURCE
        return source
    installed = installed_sources()
    if source_id not in installed:
        known = source_ids()
        raise OptionError(
            f"unknown source {source_id!r}{nearest(source_id, known)}; known are {', '.join(known)}"
        )
    return _load(installed[source_id])


def _load(entry: EntryPoint) -> Source:
    where = f"the source {entry.name!r} of the package {_package(entry)} ({entry.value})"
    try:
        source = entry.load()
    except Exception as error:
        raise OptionError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(source, Source):
        raise OptionError(
            f"{where} is no datagen.schema.adapter.Source but {type(source).__name__}"
        )
    if source.id != entry.name or source.card.name is None:
        raise OptionError(
            f"{where}: its card has the id {source.id!r} and the name {source.card.name!r}; the id must be "
            "that of the entry point, and the name is the title of the dataset"
        )
    return source


def module_of(source_id: str) -> Path | None:
    """Return the file of the module that an installed package offers a source by; None for the table's."""
    entry = installed_sources().get(source_id)
    if entry is None:
        return None
    load_source(source_id)
    return Path(inspect.getfile(import_module(entry.module)))


def all_sources() -> tuple[Source, ...]:
    """Return the adapters of the table."""
    return tuple(load_source(source_id) for source_id in SOURCE_IDS)
