"""Own sources in a build: their files' digests, and their rows in normal form, made once."""

from collections.abc import Callable, Iterable, Mapping, Sequence

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
from datagen.sources.declared.normalise import normalise, resolve
from datagen.sources.declared.readers.files import DataFile, digest


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
    """Make the normal rows of the chosen own sources, those that are there already excepted, and index them.

    `say` receives a sentence for each source with rows that are used, but look odd.

    Raises:
        RawDataError: a file cannot be used at all.
    """
    indexes: dict[str, JsonIndex] = {}
    chosen = list(chosen)
    wanted = {source.id for source, _ in chosen}
    for definition in options.declared:
        name = definition.name
        if name not in wanted:
            continue
        made_of = {"definition": definition.model_dump_json(by_alias=True)} | {
            file: each.sha256 for file, each in inputs[name].items()
        }
        report = f"{staging.root}/declared/{name}/report.json"
        if not _is_report(report, made_of, files):
            warnings = normalise(definition, data_files[name], files, staging.root)
            if warnings:
                counts = ", ".join(f"{n:,} {reason}" for reason, n in warnings.items())
                say(f"{name}: rows to look at: {counts}; `visinstruct source check` lists them")
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


def _is_report(path: str, made_of: Mapping[str, str], files: Files) -> bool:
    try:
        with files.open_binary(path) as file:
            return bool(msgspec.json.decode(file.read()) == made_of)
    except (FileNotFoundError, msgspec.DecodeError):
        return False
