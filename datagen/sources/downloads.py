"""The downloads of the sources of the table: reads `downloads.yaml`, and finds those of a source's splits."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from datagen.errors import OptionError, nearest
from datagen.schema.card import FileCard, SourceCard
from datagen.schema.download import Download, DownloadList


@cache
def load_downloads() -> DownloadList:
    """Return the downloads of all sources."""
    text = Path(__file__).with_name("downloads.yaml").read_text(encoding="utf-8")
    return DownloadList.model_validate(yaml.safe_load(text))


class Needed(NamedTuple):
    """What a source needs: downloads in the order of its card, and files of the card that nobody offers."""

    files: tuple[Download, ...]
    media: tuple[Download, ...]
    own: tuple[FileCard, ...]


def needed(
    card: SourceCard,
    downloads: DownloadList,
    *,
    splits: Collection[str] = (),
    layout: str | None = None,
    there: Collection[str] = (),
) -> Needed:
    """Return the downloads of a source's splits, by default all splits.

    Of several layouts of a split, the first is taken whose files are all `there`, else the first that can be downloaded
    whole, else the first that can be had by hand, unless `layout` names one.

    Raises:
        OptionError: the source has no such split or layout.
    """
    for value, known, what in (
        *((split, list(card.splits), "split") for split in splits),
        *([(layout, [file.layout_name for file in card.files], "layout")] if layout else []),
    ):
        if value not in known:
            names = ", ".join(dict.fromkeys(known))
            raise OptionError(
                f"{card.id} has no {what} {value!r}{nearest(value, known)}; it has {names}"
            )
    wanted = [split for split in card.splits if not splits or split in splits]
    offers = {
        name: each
        for each in downloads.folders.get(card.folder, {}).values()
        for name in each.brings
    }
    files: dict[str, Download] = {}
    own: dict[str, FileCard] = {}
    for split in wanted:
        for file in _layout_files(card, split, offers, layout, there):
            if file.name in offers:
                files[offers[file.name].path] = offers[file.name]
            elif file.required:
                own[file.name] = file
    media = {
        each.path: each
        for each in downloads.all()
        if set(each.images_of.get(card.folder, ())) & set(wanted) and each.path not in files
    }
    return Needed(tuple(files.values()), tuple(media.values()), tuple(own.values()))


def _layout_files(
    card: SourceCard,
    split: str,
    offers: dict[str, Download],
    layout: str | None,
    there: Collection[str],
) -> list[FileCard]:
    """Return the card's files of the layout in which a split is had with the least trouble."""
    layouts: dict[str, list[FileCard]] = {}
    for file in card.files:
        if split in file.splits and layout in (None, file.layout_name):
            layouts.setdefault(file.layout_name, []).append(file)

    def trouble(file: FileCard) -> int:
        if file.name in there:
            return -1
        return 2 if file.name not in offers else int(offers[file.name].by_hand)

    def most_trouble(files: list[FileCard]) -> int:
        return max((trouble(file) for file in files if file.required), default=-1)

    return min(layouts.values(), key=most_trouble, default=[])
