"""Writes the sample: the raw files of every source, for drawn scenes with true answers."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datagen.errors import OptionError, OutputError
from datagen.sample.world import MAX_SCENES, World, write_json
from datagen.sources import SOURCE_IDS, load_source

Writer = Callable[[Path, World], None]

MIN_SCENES = 12
MARKER = "sample.json"
"""Written last: a folder with it is complete. It is no publisher's file."""
_ABOUT = "Drawn scenes in the publishers' file formats, made by visinstruct sample; nobody's data."


@dataclass(frozen=True)
class SampleReport:
    """The files written into `folder`. `files` counts by folder, images and videos by collection.

    `unchanged` if the same sample was there already.
    """

    folder: Path
    num_scenes: int
    seed: int
    sources: tuple[str, ...]
    files: Mapping[str, int]
    num_bytes: int
    unchanged: bool


def write_sample(
    out: Path, *, num_scenes: int, seed: int = 0, sources: Sequence[str] | None = None
) -> SampleReport:
    """Writes a raw folder for `sources` (all, if None) that appears whole or not at all.

    The same arguments give the same bytes, and a source's files do not depend on which others are
    written. Collections grow with `num_scenes`: there are as many COCO images, and fewer dialogs
    and clips. A larger sample begins with the scenes of a smaller one.

    Raises:
        OptionError: too few or too many scenes, or an unknown source.
        OutputError: `out` holds anything but this very sample.
    """
    chosen = _checked_sources(sources)
    if not MIN_SCENES <= num_scenes <= MAX_SCENES:
        raise OptionError(
            f"cannot draw a sample of {num_scenes} scenes: choose from {MIN_SCENES} (fewer leave "
            f"splits empty) to {MAX_SCENES}"
        )
    options = {"num_scenes": num_scenes, "seed": seed, "sources": list(chosen)}
    unchanged = out.exists() and not _is_empty_folder(out)
    if unchanged:
        _check_options(out, options)
        with TemporaryDirectory() as folder:
            _write_all(Path(folder), options)
            _check_identical(out, Path(folder))
    else:
        _write_all_or_nothing(out, options)
    sizes = {path: (out / path).stat().st_size for path in _files(out)}
    return SampleReport(
        folder=out,
        num_scenes=num_scenes,
        seed=seed,
        sources=chosen,
        files=_count_by_folder(sizes),
        num_bytes=sum(sizes.values()),
        unchanged=unchanged,
    )


def writer_of(source: str) -> Writer:
    """The writer of a source's raw folder: `writers/<folder>.py`, shared by all that read it."""
    folder = load_source(source).card.folder
    write: Writer = import_module(f"datagen.sample.writers.{folder}").write
    return write


def _checked_sources(sources: Sequence[str] | None) -> tuple[str, ...]:
    """In the table's order, each once."""
    chosen = list(SOURCE_IDS) if sources is None else list(sources)
    for source in chosen:
        load_source(source)
    if not chosen:
        raise OptionError(f"no source to draw a sample of: choose from {', '.join(SOURCE_IDS)}")
    return tuple(source for source in SOURCE_IDS if source in chosen)


def _write_all(folder: Path, options: dict[str, Any]) -> None:
    world = World(seed=options["seed"], num_scenes=options["num_scenes"])
    writers = dict.fromkeys(writer_of(source) for source in options["sources"])
    for write in writers:
        write(folder, world)
    write_json(folder / MARKER, {"about": _ABOUT, **options}, indent=2)


def _write_all_or_nothing(out: Path, options: dict[str, Any]) -> None:
    """Into a folder that is empty or not there, so that all in it may be removed after a failure."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        _write_all(out, options)
    except BaseException:
        for path in out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _is_empty_folder(path: Path) -> bool:
    if not path.is_dir():
        raise OutputError(f"{path} is not a folder: choose another place for the sample")
    return next(path.iterdir(), None) is None


def _check_options(out: Path, options: dict[str, Any]) -> None:
    try:
        found = json.loads((out / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise OutputError(
            f"{out} holds files, but no {MARKER} of a complete sample: choose an empty folder"
        )
    for name, value in options.items():
        if found.get(name) != value:
            raise OutputError(
                f"{out} holds a sample with {name}={found.get(name)!r}, not {value!r}: "
                "choose an empty folder, or delete this one to draw it anew"
            )


def _check_identical(out: Path, fresh: Path) -> None:
    there, expected = set(_files(out)), set(_files(fresh))
    different = sorted(there ^ expected) or sorted(
        path for path in expected if (out / path).read_bytes() != (fresh / path).read_bytes()
    )
    if different:
        path = different[0]
        what = "is missing" if path not in there else "is another now"
        what = what if path in expected else "does not belong to it"
        raise OutputError(
            f"{out} holds a sample that was changed, or drawn by another version: {path} {what}, "
            f"and {len(different) - 1} other files: choose an empty folder, or delete this one to "
            "draw it anew"
        )


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _count_by_folder(paths: Iterable[str]) -> dict[str, int]:
    """`vqav2`, `images/coco`, `videos/msvd`; files of the raw folder itself count as `.`."""
    counts: Counter[str] = Counter()
    for path in paths:
        *folders, _ = path.split("/")
        depth = 2 if folders and folders[0] in ("images", "videos") else 1
        counts["/".join(folders[:depth]) or "."] += 1
    return dict(sorted(counts.items()))
