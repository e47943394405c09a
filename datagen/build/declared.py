"""Own sources and mirrors in a build: their files' digests, and their rows in normal form, made once."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import BinaryIO

import msgspec

from datagen.build.options import BuildOptions
from datagen.build.plan import InputFile
from datagen.build.staging import Staging
from datagen.errors import OptionError
from datagen.files import Files
from datagen.raw.json_index import JsonIndex
from datagen.raw.row_index import index_file
from datagen.schema.adapter import Source, SplitFiles
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.files_beside import files_beside
from datagen.sources.declared.normalise import Report, normalise, resolve, write_normal_rows
from datagen.sources.declared.readers.files import DataFile, digest, find_files
from datagen.sources.mirrors.mirror import Mirrored
from datagen.sources.mirrors.rows import MirrorRows


def resolve_all(
    definitions: Iterable[Definition], files: Files
) -> tuple[tuple[Definition, ...], dict[str, tuple[DataFile, ...]]]:
    """Return the definitions with the splits of their files, and the files of each.

    Raises:
        OptionError: two sources have one id.
        RawDataError: a file is missing.
    """
    resolved: dict[str, Definition] = {}
    data_files = {}
    for definition in definitions:
        if definition.name in resolved:
            raise OptionError(f"two sources are named {definition.name!r}; rename one of them")
        resolved[definition.name], data_files[definition.name] = resolve(definition, files)
    return tuple(resolved.values()), data_files


def mirror_files(mirrors: Iterable[Mirrored], files: Files) -> dict[str, tuple[DataFile, ...]]:
    """Return the data files of mirrors, by source."""
    return {each.name: tuple(find_files(each.definition, files)) for each in mirrors}


def files_read(
    definitions: Iterable[Definition], data_files: Mapping[str, Sequence[DataFile]], files: Files
) -> dict[str, tuple[DataFile, ...]]:
    """Return all files that own sources are made of, by source: data files, and those beside them.

    Raises:
        RawDataError: a joined file is missing.
    """
    return {each.name: (*data_files[each.name], *files_beside(each, files)) for each in definitions}


def digests(
    data_files: Mapping[str, Sequence[DataFile]], files: Files
) -> dict[str, dict[str, InputFile]]:
    """Return the size and sha256 of every file of own sources, by source and name."""
    return {
        source: {each.name: InputFile(*digest(files, each)) for each in mine}
        for source, mine in data_files.items()
    }


def normal_rows(
    options: BuildOptions,
    data_files: Mapping[str, Sequence[DataFile]],
    inputs: Mapping[str, Mapping[str, InputFile]],
    chosen: Iterable[tuple[Source, SplitFiles]],
    staging: Staging,
    files: Files,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[str, JsonIndex]:
    """Make the normal rows of the chosen own sources and mirrors, unless they are there, and index them.

    `say` receives a sentence for each source with rows that are used, but look odd.

    Raises:
        RawDataError: a file cannot be used at all.
    """
    indexes: dict[str, JsonIndex] = {}
    chosen = list(chosen)
    wanted = {source.id for source, _ in chosen}
    read: tuple[Definition | Mirrored, ...] = (*options.declared, *options.mirrors)
    for each in read:
        name = each.name
        if name not in wanted:
            continue
        made_of = {"definition": each.model_dump_json(by_alias=True)} | {
            file: digest.sha256 for file, digest in inputs[name].items()
        }
        report = f"{staging.root}/declared/{name}/report.json"
        if not _is_report(report, made_of, files):
            warnings = _normalise(each, data_files[name], files, staging.root, options.limit)
            if warnings:
                counts = ", ".join(f"{n:,} {reason}" for reason, n in warnings.items())
                lists = (
                    "" if isinstance(each, Mirrored) else "; `visinstruct source check` lists them"
                )
                say(f"{name}: rows to look at: {counts}{lists}")
            with files.create(report) as file:
                file.write(msgspec.json.encode(made_of))
    for source, layout in chosen:
        if source.in_staging:
            path = f"{staging.root}/{layout.rows.file}"
            with files.open_binary(path) as opened:
                size = opened.seek(0, 2)
                opened.seek(0)
                if size:
                    parts = {layout.rows.path: layout.rows}
                    indexes[path] = index_file(opened, path, parts, options.range_bytes(size))
    return indexes


def _normalise(
    each: Definition | Mirrored,
    data_files: Sequence[DataFile],
    files: Files,
    folder: str,
    limit: int | None,
) -> Counter[str]:
    if isinstance(each, Definition):
        return normalise(each, data_files, files, folder)
    mirrored = each

    def make(pack: BinaryIO, report: Report) -> MirrorRows:
        return MirrorRows(mirrored, files, pack, report, limit)

    return write_normal_rows(mirrored.definition, make, data_files, files, folder)


def _is_report(path: str, made_of: Mapping[str, str], files: Files) -> bool:
    try:
        with files.open_binary(path) as file:
            return bool(msgspec.json.decode(file.read()) == made_of)
    except (FileNotFoundError, msgspec.DecodeError):
        return False
