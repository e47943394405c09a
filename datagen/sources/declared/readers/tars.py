"""Rows of WebDataset tars: the members with one base name make one sample."""

import os
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

from datagen.errors import Reason
from datagen.files import Files
from datagen.raw.rows import decode_row
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.files import DataFile, is_image_name
from datagen.sources.declared.readers.streams import BROKEN_GZIP
from datagen.sources.declared.row import Place, Problem, RawRow

MAX_MEMBER_BYTES = 256 << 20
_TEXTS = ("txt", "text", "cls", "caption")


def sample_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield one row a sample: a column for each suffix, the keys of `.json`, and `image`, the first image."""
    name = data_file.name
    row = 0
    sample: dict[str, Any] = {}
    key: str | None = None
    try:
        with (
            files.open_binary(data_file.path) as file,
            tarfile.open(fileobj=file, mode="r|*") as tar,
        ):
            for member in tar:
                if member.isdir():
                    continue
                base, suffix = _parts(member.name)
                if not member.isfile():
                    message = f"the member {member.name!r} is a link or a device, which is not read"
                    report(Problem(Place(name, key=base), "warn", "unsafe_member", message))
                    continue
                if member.size > MAX_MEMBER_BYTES:
                    message = f"the member {member.name!r} has {member.size:,} bytes"
                    report(Problem(Place(name, key=base), "warn", "member_too_large", message))
                    continue
                if base != key:
                    if key is not None:
                        row += 1
                        yield RawRow(Place(name, row, key=key), sample, key)
                    key, sample = base, {}
                opened = tar.extractfile(member)
                assert opened is not None
                _add(sample, member.name, suffix, opened.read())
    except (tarfile.TarError, EOFError, *BROKEN_GZIP) as error:
        if key is not None and sample:
            row += 1
            yield RawRow(Place(name, row, key=key), sample, key)
            key = None
        message = (
            f"{name} is cut off or no tar after sample {row}: {error}; the samples before are used"
        )
        yield RawRow(Place(name), Rejected(Reason.TRUNCATED_FILE, message))
    if key is not None:
        yield RawRow(Place(name, row + 1, key=key), sample, key)


def _parts(path: str) -> tuple[str, str]:
    folder, file = os.path.split(path.removeprefix("./"))
    stem, _, suffix = file.partition(".")
    return os.path.join(folder, stem), suffix.lower()


def _add(sample: dict[str, Any], name: str, suffix: str, data: bytes) -> None:
    last = suffix.rpartition(".")[2]
    if is_image_name(f"x.{last}"):
        image = {"bytes": data, "path": name}
        sample[suffix] = image
        sample.setdefault("image", image)
    elif last == "json":
        value = decode_row(data, Any)
        sample[suffix] = None if isinstance(value, Rejected) else value
        if isinstance(value, dict):
            sample.update({k: v for k, v in value.items() if k not in sample})
    elif last in _TEXTS:
        sample[suffix] = data.decode("utf-8", "replace").strip()
    else:
        sample[suffix] = data
