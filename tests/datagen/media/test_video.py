import io
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
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
    """Frame n is grey of level 12 * n, so that a frame's colour gives its number."""
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


def timed_video(
    timestamps: Sequence[int],
    name: str = "mp4",
    *,
    last_duration: int | None = None,
    options: dict[str, str] | None = None,
    silence: float = 0,
) -> bytes:
    """Frame n is grey of level 6 * n, shown from its timestamp on, in tenths of a second."""
    out = io.BytesIO()
    with av.open(out, "w", format=name, options=options or {}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        sound = container.add_stream("aac", rate=8_000) if silence else None
        packets = []
        for number, timestamp in enumerate(timestamps):
            pixels = np.full((32, 32, 3), 6 * number, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = timestamp, Fraction(1, 10)
            packets += stream.encode(frame)
        packets += stream.encode()
        if last_duration is not None:
            packets[-1].duration = last_duration
        if sound is not None:
            samples = np.zeros((1, round(silence * 8_000)), dtype=np.float32)
            audio = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            audio.sample_rate, audio.pts = 8_000, 0
            packets += [*sound.encode(audio), *sound.encode()]
        for packet in packets:
            container.mux(packet)
    return out.getvalue()


def numbers_of(data: bytes) -> tuple[float, list[int]]:
    """The duration, and the numbers of the four frames."""
    duration = video_duration(io.BytesIO(data), "clip")
    frames = read_frames(io.BytesIO(data), "clip", frame_times(duration))
    return round(duration, 3), [round(float(np.asarray(frame).mean()) / 6) for frame in frames]


@pytest.mark.parametrize("name", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize("start", [0, 3, 50, 36_000])
def test_times_count_from_the_first_frame(name: str, start: int) -> None:
    duration, numbers = numbers_of(timed_video(range(start, start + 40), name))
    assert duration == 4.0
    assert numbers == [5, 15, 25, 35]


def test_frames_that_an_edit_list_cuts_out_do_not_count() -> None:
    data = bytearray(timed_video(range(40)))
    place = data.index(b"elst") + 4
    _, count, duration, _, rate = struct.unpack(">5I", data[place : place + 20])
    assert (count, duration, rate) == (1, 4_000, 1 << 16)
    first = 10_240  # one second of the track's 1/10240 s
    data[place + 8 : place + 16] = struct.pack(">2I", 2_000, first)
    mvhd = data.index(b"mvhd") + 20
    data[mvhd : mvhd + 4] = struct.pack(">I", 2_000)
    length, numbers = numbers_of(bytes(data))
    assert length == pytest.approx(2.0, abs=0.11)
    assert numbers == pytest.approx([12, 17, 22, 27], abs=1)  # the codec is lossy


def test_the_frame_shown_counts_where_the_frame_rate_varies() -> None:
    timestamps = [*range(10), 30, 70]
    for name in ("mp4", "matroska"):
        assert numbers_of(timed_video(timestamps, name)) == (7.1, [8, 9, 10, 10])


def test_a_last_frame_is_shown_for_as_long_as_it_lasts() -> None:
    assert numbers_of(timed_video([*range(10)], last_duration=71)) == (8.0, [9, 9, 9, 9])


def test_a_video_without_stated_duration_is_read_to_its_end() -> None:
    data = timed_video(range(40), "matroska", options={"live": "1"})
    with av.open(io.BytesIO(data)) as container:
        assert container.duration is None
    assert numbers_of(data) == (4.0, [5, 15, 25, 35])


def test_sound_that_lasts_longer_is_not_counted() -> None:
    duration, numbers = numbers_of(timed_video(range(40), silence=9.0))
    assert duration == 4.0
    assert numbers == [5, 15, 25, 35]


def test_a_file_with_sound_only_is_rejected_in_plain_words() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8_000)
        samples = np.zeros((1, 8_000), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 8_000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    for call in (
        lambda: video_duration(io.BytesIO(out.getvalue()), "clip"),
        lambda: read_frames(io.BytesIO(out.getvalue()), "clip", (0.5,)),
    ):
        with pytest.raises(RowRejectedError, match="clip: it has no video track, only sound"):
            call()


def test_the_cover_of_a_piece_of_music_is_no_video() -> None:
    cover = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 10, 10)).save(cover, "JPEG")
    image = b"\0image/jpeg\0\3\0" + cover.getvalue()
    frame = b"APIC" + struct.pack(">I", len(image)) + b"\0\0" + image
    size = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    silence = b"\xff\xfb\x90\x64" + bytes(413)  # a frame of MP3, 128 kb/s, 44.1 kHz
    data = b"ID3\3\0\0" + size + frame + silence * 40
    with av.open(io.BytesIO(data)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(RowRejectedError, match="it has no video track, only sound"):
        video_duration(io.BytesIO(data), "clip")


def test_a_video_has_four_frames() -> None:
    assert NUM_FRAMES == 4
