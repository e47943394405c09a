"""Results by image: a file for each part that was read, put together at the end."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from datagen.errors import RawDataError
from datagen.files import Files
from datagen.text import clean_line


class OcrResult(Struct, omit_defaults=True):
    """The result of an image: its words, or the reason why there are none. `state` is that of its file."""

    image: str
    state: str
    words: list[str] | None = None
    reason: str | None = None
    message: str | None = None


_RESULTS = msgspec.json.Decoder(list[OcrResult])


class HeldRow(Struct):
    """A line of a file of tokens, as far as it is needed here."""

    image_id: str


_HELD = msgspec.json.Decoder(HeldRow)


class PartFiles:
    """The results of parts in a folder, each file whole or not there. Their names give the number of rows."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files, self._folder = files, folder

    def write(self, results: Sequence[OcrResult]) -> None:
        """Write the results of a part, over those of the same images."""
        name = hashlib.sha256("\n".join(each.image for each in results).encode()).hexdigest()[:16]
        path = f"{self._folder}/{name}.{len(results)}.json"
        with self._files.create(path, durable=False) as file:
            file.write(msgspec.json.encode(results))

    def paths(self) -> list[str]:
        return self._files.match(f"{self._folder}/*.json")

    def __len__(self) -> int:
        return sum(int(path.rsplit(".", 2)[1]) for path in self.paths())

    def __iter__(self) -> Iterator[OcrResult]:
        for path in self.paths():
            with self._files.open_binary(path) as file:
                yield from _RESULTS.decode(file.read())


def held_lines(files: Files, path: str) -> dict[str, bytes]:
    """Return the lines of a file of tokens by image; none if there is no file.

    Raises:
        RawDataError: a line is no row of tokens.
    """
    if not files.exists(path):
        return {}
    found = {}
    for number, line in enumerate(lines_of(files, path), start=1):
        try:
            found[_HELD.decode(line).image_id] = line
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RawDataError(
                f"{path}, line {number}, is no row of tokens ({error}); move the file away, or give another --out"
            ) from None
    return found


def lines_of(files: Files, path: str) -> Iterator[bytes]:
    """Yield the lines of a file that are not blank."""
    with files.open_binary(path) as file:
        for line in file:
            if line.strip():
                yield line.rstrip(b"\r\n")


def token_line(image_id: str, words: Iterable[str]) -> bytes:
    """Return a line of `ocr_tokens.jsonl`."""
    tokens = [clean for word in words if (clean := clean_line(word))]
    return json.dumps({"image_id": image_id, "ocr_tokens": tokens}, ensure_ascii=False).encode()
