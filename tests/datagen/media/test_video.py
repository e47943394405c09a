import io
from collections.abc import Callable
from functools import partial

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datagen.errors import RowRejectedError
from datagen.media.video import NUM_FRAMES, frame_times, read_frames, video_duration


def grey_video(
    num_frames: int = 20, rate: int = 10, name: str = "avi", codec: str = "mjpeg"
) -> bytes:
    """Frame n is grey of level 12 * n, so that a frame tells its number."""
    out = io.BytesIO()
    with av.open(out, "w", format=name) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(num_frames):
            pixels = np.full((32, 32, 3), 12 * number, dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return out.getvalue()


def shown(data: bytes, times: tuple[float, ...]) -> list[int]:
    """Numbers of the frames shown at the times."""
    frames = read_frames(io.BytesIO(data), "clip", times)
    return [round(float(np.asarray(frame).mean()) / 12) for frame in frames]


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(RowRejectedError) as caught:
        call()
    assert caught.value.message.startswith("clip")
    return caught.value.reason.value


def test_frames_are_the_centres_of_equal_parts() -> None:
    assert frame_times(8.0) == (1.0, 3.0, 5.0, 7.0)
    assert frame_times(8.0, (2.0, 4.0)) == (2.25, 2.75, 3.25, 3.75)
    assert frame_times(9.0, num_frames=3) == (1.5, 4.5, 7.5)


def test_a_clip_that_runs_past_the_end_ends_with_the_video() -> None:
    assert frame_times(4.0, (2.0, 100.0)) == (2.25, 2.75, 3.25, 3.75)
    assert frame_times(4.0, (0.0, 4.5)) == frame_times(4.0)


@given(
    st.floats(0.1, 10_000),
    st.none() | st.tuples(st.floats(0, 10_000), st.floats(0.01, 1_000)),
    st.integers(1, 16),
)
def test_frame_times_rise_inside_the_clip(
    duration: float, clip: tuple[float, float] | None, num_frames: int
) -> None:
    if clip is not None:
        clip = (clip[0], clip[0] + clip[1])
    times = frame_times(duration, clip, num_frames)
    assert len(times) == num_frames
    assert list(times) == sorted(times)
    start, end = clip or (0.0, duration)
    assert all(min(start, duration) <= time <= min(end, duration) for time in times)


@pytest.mark.parametrize(
    ("name", "codec"), [("avi", "mjpeg"), ("mp4", "mpeg4"), ("matroska", "mjpeg")]
)
def test_a_video_is_read_at_its_times(name: str, codec: str) -> None:
    data = grey_video(name=name, codec=codec)
    duration = video_duration(io.BytesIO(data), "clip")
    assert duration == pytest.approx(2.0, abs=0.1)
    assert shown(data, (0.25, 0.75, 1.25, 1.75)) == [2, 7, 12, 17]
    assert shown(data, (0.0, 0.05, 1.91, 1.99)) == [0, 0, 19, 19]
    assert shown(data, (1.25, 1.26, 1.29, 1.31)) == [12, 12, 12, 13]


def test_a_video_that_does_not_say_how_long_it_lasts_is_read_to_its_end() -> None:
    data = grey_video(name="mjpeg")
    assert video_duration(io.BytesIO(data), "clip") == pytest.approx(0.76, abs=0.1)


def test_a_video_that_ends_before_its_frames_is_truncated() -> None:
    data = grey_video(num_frames=20)
    read = partial(read_frames, io.BytesIO(data), "clip", (0.5, 3.0))
    assert reason(read) == "media_truncated"


def test_a_little_less_than_was_promised_is_enough() -> None:
    assert shown(grey_video(num_frames=20), (1.0, 2.3)) == [10, 19]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_video_cut_off_is_rejected_or_taken_for_a_shorter_one(share: float) -> None:
    """An AVI without its end has no index; how long it lasts then follows from its bytes."""
    data = grey_video()
    cut = data[: int(len(data) * share)]
    try:
        times = frame_times(video_duration(io.BytesIO(cut), "clip"))
        numbers = shown(cut, times)
    except RowRejectedError as error:
        expected = {"media_truncated", "media_unreadable"} if cut else {"media_empty"}
        assert error.reason.value in expected
    else:
        assert times[-1] <= 1.75
        assert numbers == sorted(numbers)
        assert numbers[-1] <= 20 * share


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 5_000,
        b"<html>404 not found</html>" * 100,
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        b"1\n00:00:01,000 --> 00:00:02,000\nhi\n",
        b"RIFF\x00\x00\x00\x00AVI LIST",
    ],
)
def test_what_is_no_video_is_unreadable(data: bytes) -> None:
    assert reason(lambda: video_duration(io.BytesIO(data), "clip")) == "media_unreadable"
    assert reason(lambda: read_frames(io.BytesIO(data), "clip", (0.5,))) == "media_unreadable"


def test_one_image_is_no_video() -> None:
    for kind in ("JPEG", "PNG", "GIF"):
        out = io.BytesIO()
        Image.new("RGB", (32, 32), (200, 10, 10)).save(out, kind)
        data = out.getvalue()
        assert (
            reason(lambda data=data: video_duration(io.BytesIO(data), "clip")) == "media_unreadable"
        )


def test_sound_is_no_video() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), layout="mono")
        frame.sample_rate = 8_000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    data = out.getvalue()
    assert reason(lambda: video_duration(io.BytesIO(data), "clip")) == "media_unreadable"


def test_a_video_has_four_frames() -> None:
    assert NUM_FRAMES == 4
