"""A data file of a declared source, with its split and format, and what follows from names of files."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from datagen.media.media import IMAGE_SUFFIXES
from datagen.sources.declared.definition import FormatName

FORMATS: Mapping[str, FormatName] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".tar": "webdataset",
    ".tgz": "webdataset",
}
_EXCEL = (
    'is an Excel workbook, which is not read; save its sheet as "CSV UTF-8", and name that file'
)
_ARCHIVE = "is an archive, which is not read as rows; unpack it, and name the files in it"
_PICKLE = "is a Python pickle, which could run code and is not read; save its rows as JSON lines or Parquet"
_UNREAD: Mapping[str, str] = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), _EXCEL),
    **dict.fromkeys((".zip", ".7z", ".rar", ".bz2", ".xz", ".zst"), _ARCHIVE),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth"), _PICKLE),
    ".npy": "is a NumPy array, which is not read; save its rows as JSON lines or Parquet",
    ".npz": "is a NumPy archive, which is not read; save its rows as JSON lines or Parquet",
    ".xml": "is XML, which is not read; write its records as JSON lines, an object a line",
    ".yaml": "is YAML, which is not read as data; write its rows as JSON lines",
    ".yml": "is YAML, which is not read as data; write its rows as JSON lines",
    ".h5": "is HDF5, which is not read; save its rows as JSON lines or Parquet",
    ".hdf5": "is HDF5, which is not read; save its rows as JSON lines or Parquet",
    ".db": "is a database, which is not read; export its rows as CSV or Parquet",
    ".sqlite": "is a database, which is not read; export its rows as CSV or Parquet",
}
"""What files that people have are, and what to do with them, by suffix."""
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini", ".gitkeep", ".gitattributes")
_SPLIT_NAMES = {
    "training": "train",
    "validation": "val",
    "validate": "val",
    "valid": "val",
    "dev": "val",
    "testing": "test",
}


def split_name(name: str) -> str:
    """Return the name that a split has here, of one that folders and files have: `validation` is `val`."""
    lowered = name.lower()
    if lowered in ("train", "val", "test"):
        return lowered
    return _SPLIT_NAMES.get(lowered, name)


@dataclass(frozen=True)
class DataFile:
    """A file, or a folder that is read as one; `name` is relative to the source file.

    `features` describe its columns where another file does, as `datasets` writes them: names of labels.
    """

    path: str
    name: str
    split: str | None
    format: FormatName
    features: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


def format_of(name: str) -> FormatName | None:
    """Return the format that follows from a file's name, compressed with gzip or not."""
    return FORMATS.get(os.path.splitext(name.lower().removesuffix(".gz"))[1])


def unread_format(name: str) -> str | None:
    """Return what a file of a known format is that cannot be read, and what to do; None for others."""
    return _UNREAD.get(os.path.splitext(name.lower())[1])


def is_image_name(name: str) -> bool:
    """Return True if a file's suffix is that of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def is_of_the_system(name: str) -> bool:
    """Return True if an operating system or Git left a file of this name behind."""
    return name in SYSTEM_FILES or name.startswith("._")


def walk(path: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the files below a folder, sorted; those of the operating system are passed over.

    Links to folders are followed, but not to one of `above`, the folders on the way: that is a circle.
    """
    real = os.path.realpath(path)
    if real in above:
        return
    with os.scandir(path) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if not entry.is_dir() and not is_of_the_system(entry.name):
            yield entry.path
    for entry in entries:
        if entry.is_dir() and not entry.name.startswith("."):
            yield from walk(entry.path, (*above, real))


def printable(name: str) -> str:
    """Return a file's name as valid Unicode: bytes that are no UTF-8 are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def paths_of(data_file: DataFile) -> list[str]:
    """Return the path of a data file, or of all files of a folder that is read as one."""
    return [*walk(data_file.path)] if os.path.isdir(data_file.path) else [data_file.path]


def metadata_files(path: str) -> list[str]:
    """Return the metadata files of an image folder, sorted."""
    return [each for each in walk(path) if os.path.basename(each) in METADATA]
