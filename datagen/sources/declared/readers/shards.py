"""Names of shards: ranges in braces, and the shards that are missing between those that are there."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache

from datagen.files import Files
from datagen.sources.declared.readers.data_file import DataFile

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_OF = re.compile(r"(.*-)(\d{5})-of-(\d{5})(\..*)?")
_NUMBERED = re.compile(r"(.*?)(\d{3,})(\.[^/]*)")
MAX_SHARDS = 100_000


def expand(pattern: str) -> Iterator[str]:
    """Yield the names that `train-{000..003}.tar` stands for; any other name stands for itself."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    first, last = int(found[1]), int(found[2])
    for number in range(first, min(last, first + MAX_SHARDS) + 1):
        name = f"{number:0{len(found[1])}d}"
        yield from expand(pattern[: found.start()] + name + pattern[found.end() :])


def missing_after(files: Files, data_file: DataFile) -> list[str]:
    """Return the shards that are missing between a shard and the next, and before the first.

    Shards are files named `train-00001-of-00004.parquet`, and tars with a number at their end. Of tars
    the last is unknown.
    """
    folder, name = os.path.split(data_file.path)
    of = _OF.fullmatch(name)
    numbered = _NUMBERED.fullmatch(name) if data_file.format == "webdataset" else None
    if of is not None:
        before, number, after, end = of[1], of[2], f"-of-{of[3]}{of[4] or ''}", int(of[3])
    elif numbered is not None:
        before, number, after, end = numbered[1], numbered[2], numbered[3], -1
    else:
        return []
    place = os.path.join(folder, before)
    there = [each for each in _numbers(files, place, after) if len(each) == len(number)]
    values = sorted({int(each) for each in there} | {int(number)})
    at = values.index(int(number))
    following = values[at + 1] if at + 1 < len(values) else max(end, values[at] + 1)
    missing = list(range(values[at] + 1, following))
    if at == 0 and of is not None:
        missing = [*range(values[0]), *missing]
    beside = os.path.join(os.path.dirname(data_file.name), before)
    return [f"{beside}{each:0{len(number)}d}{after}" for each in missing[:MAX_SHARDS]]


@lru_cache(maxsize=16)
def _numbers(files: Files, before: str, after: str) -> tuple[str, ...]:
    """Return the digits between two parts of a name, of the files that are there."""
    found = (
        path.removeprefix(before).removesuffix(after) for path in files.match(f"{before}*{after}")
    )
    return tuple(each for each in found if each.isdecimal())
