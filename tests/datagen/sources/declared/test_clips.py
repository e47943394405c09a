from typing import Any

import pytest

from datagen.errors import RowRejectedError
from datagen.media.video import frame_times
from datagen.sources.declared.clips import clip_of, seconds_of


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (12, 12.0),
        (0, 0.0),
        (1.5, 1.5),
        ("12.5", 12.5),
        (" 12.5s ", 12.5),
        ("1e2", 100.0),
        ("1:02", 62.0),
        ("01:02.5", 62.5),
        ("00:01:02,5", 62.5),
        ("2:00:00", 7200.0),
        (None, None),
        (" ", None),
        (float("nan"), None),
    ],
)
def test_times_are_seconds_or_those_of_a_clock(value: Any, seconds: float | None) -> None:
    assert seconds_of(value, "start") == seconds


@pytest.mark.parametrize(
    "value", [-1, "-1", "1:60", "1:2:3:4", "soon", True, [1], float("inf"), "1e400", "nan"]
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(RowRejectedError, match=r"start is .*: write seconds or hh:mm:ss"):
        seconds_of(value, "start")


def test_a_clip_may_lack_its_start_or_its_end() -> None:
    assert clip_of(None, "") is None
    assert clip_of(3, "0:10") == (3.0, 10.0)
    assert clip_of(None, 10) == (0.0, 10.0)
    open_end = clip_of(4, None)
    assert open_end is not None and frame_times(8.0, open_end) == frame_times(8.0, (4.0, 8.0))


@pytest.mark.parametrize(("start", "end"), [(3, 3), ("0:10", 9)])
def test_a_clip_ends_after_its_start(start: Any, end: Any) -> None:
    with pytest.raises(RowRejectedError, match="not after its start") as caught:
        clip_of(start, end)
    assert caught.value.reason.value == "inconsistent_row"
