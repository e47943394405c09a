"""Start and end of a clip as rows write them: seconds, or `hh:mm:ss`."""

import math
import re

from datagen.errors import Reason, RowRejectedError
from datagen.sources.declared.paths import is_blank, shown

OPEN_END = 1e9
"""The end, in seconds, of a clip that lasts as long as its video."""

_CLOCK = re.compile(r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]?\d(?:[.,]\d+)?)")
_SECONDS = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def seconds_of(value: object, name: str) -> float | None:
    """Return a time in seconds, None for a blank one: of 12, "12.5", "1:02", "00:01:02.5".

    Raises:
        RowRejectedError: it is no time, or negative.
    """
    if is_blank(value):
        return None
    seconds = math.nan
    if isinstance(value, str):
        text = value.strip().removesuffix("s")
        clock = _CLOCK.fullmatch(text)
        if clock is not None:
            hours, minutes, rest = clock.groups()
            seconds = int(hours or 0) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
        elif _SECONDS.fullmatch(text):
            seconds = float(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    if not 0 <= seconds < OPEN_END:
        raise RowRejectedError(
            Reason.MALFORMED_ROW, f"{name} is {shown(value)}: write seconds or hh:mm:ss"
        )
    return seconds


def clip_of(start: object, end: object) -> tuple[float, float] | None:
    """Return the clip between two times in seconds, None for the whole video.

    Raises:
        RowRejectedError: one is no time, or the end is not after the start.
    """
    begins, ends = seconds_of(start, "start"), seconds_of(end, "end")
    if begins is None and ends is None:
        return None
    clip = (begins or 0.0, OPEN_END if ends is None else ends)
    if clip[1] <= clip[0]:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW,
            f"the clip ends at {shown(end)}, not after its start {shown(start)}",
        )
    return clip
