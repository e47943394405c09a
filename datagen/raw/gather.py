"""Many small JSON files, one a row, read as if they were the lines of one file.

IconQA's folders hold a `data.json` beside each problem's images. A file name with a `*` in it stands
for all files that match, in the order of their names; each becomes a line `{"path": .., "row": ..}`.
"""

import io
from functools import lru_cache
from typing import BinaryIO

import msgspec

from datagen.files import Files
from datagen.raw.unpack import open_unpacked


def open_raw(files: Files, path: str) -> BinaryIO:
    """Open a publisher's file, or the lines of all files that a `path` with `*` matches.

    Raises:
        RawDataError: the file is no data, such as a web page; see `datagen.raw.unpack`.
    """
    if "*" not in path:
        return open_unpacked(files, path)
    return io.BytesIO(_gathered(files, path))


def raw_exists(files: Files, path: str) -> bool:
    """Return True if a publisher's file exists, or any that a `path` with `*` matches."""
    return bool(files.match(path)) if "*" in path else files.exists(path)


@lru_cache(maxsize=2)
def _gathered(files: Files, pattern: str) -> bytes:
    folder = pattern[: pattern.index("*")].rpartition("/")[0]
    lines = []
    for path in files.match(pattern):
        with open_unpacked(files, path) as file:
            text = file.read()
        name = msgspec.json.encode(path.removeprefix(f"{folder}/"))
        lines.append(b'{"path":%b,"row":%b}\n' % (name, text.translate(_ONE_LINE).strip()))
    return b"".join(lines)


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
