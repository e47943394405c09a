"""Videos: how long they last, the times of the frames that stand for one, and their pixels.

All times are seconds from the first frame, whose timestamp need not be zero.
"""

from collections.abc import Sequence
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

from datagen.errors import Reason, RowRejectedError

NUM_FRAMES = 4
MAX_MISSING_SECONDS = 0.5


def frame_times(
    duration: float, clip: tuple[float, float] | None = None, num_frames: int = NUM_FRAMES
) -> tuple[float, ...]:
    """Return the centres, in seconds, of `num_frames` equal parts of the video, or of `clip` in it.

    Examples:
        >>> frame_times(8.0)
        (1.0, 3.0, 5.0, 7.0)
    """
    start, end = clip or (0.0, duration)
    start, end = min(start, duration), min(end, duration)
    part = (end - start) / num_frames
    return tuple(start + part * (index + 0.5) for index in range(num_frames))


def video_duration(file: BinaryIO, path: str) -> float:
    """Return how many seconds the video lasts, from its first frame on.

    The header is believed unless it names no duration, starts late, or its container and its video track
    disagree (edit lists, longer sound); then all packets are read, but not decoded.

    Raises:
        RowRejectedError: The file is empty, corrupt, a single image, or has no video track.
    """
    if not file.read(1):
        raise RowRejectedError(Reason.MEDIA_EMPTY, f"{path} has no bytes")
    file.seek(0)
    try:
        with av.open(file, "r") as container:
            stream = _video_stream(container)
            stated = container.duration and float(container.duration / av.time_base)
            own = stream.duration and _seconds(stream.duration, stream)
            durations = [each for each in (stated, own) if each]
            agree = durations and max(durations) - min(durations) <= MAX_MISSING_SECONDS
            if agree and not stream.start_time:
                return durations[0]
            return _duration_of_packets(container, stream)
    except (av.FFmpegError, IndexError, TypeError, ValueError) as error:
        raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: {error}") from None


def _video_stream(container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover of a piece of music
            return stream
    sound = "only sound" if container.streams.audio else "neither video nor sound"
    raise ValueError(f"it has no video track, {sound}")


def _seconds(ticks: int, stream: VideoStream) -> float:
    if stream.time_base is None:
        raise ValueError("it has no timestamps")
    return float(ticks * stream.time_base)


def _duration_of_packets(container: InputContainer, stream: VideoStream) -> float:
    """Return the time between the start of the first frame and the end of the last."""
    start, end, frames = stream.start_time or 0, 0, 0
    for packet in container.demux(stream):
        if packet.pts is not None and not packet.is_discard:  # an edit list cuts frames out
            frames += 1
            end = max(end, packet.pts + (packet.duration or 0))
    seconds = _seconds(end - start, stream)
    if frames < 2 or seconds <= 0:
        raise ValueError("one image, no video" if frames == 1 else "it has no timestamps")
    return seconds


def read_frames(file: BinaryIO, path: str, times: Sequence[float]) -> list[Image.Image]:
    """Return the frame shown at each of the ascending `times`, as RGB images.

    Times count from the first frame, whatever its timestamp. The last frame is shown for as long as it
    lasts and `MAX_MISSING_SECONDS` more.

    Raises:
        RowRejectedError: The video cannot be decoded up to these times.
    """
    images: list[Image.Image] = []
    try:
        with av.open(file, "r") as container:
            stream = _video_stream(container)
            start = stream.start_time or 0
            if times and stream.time_base is not None:
                container.seek(start + int(times[0] / stream.time_base), stream=stream)
            shown, end = None, 0.0
            for frame in container.decode(stream):
                if frame.pts is None:
                    raise ValueError("it has no timestamps")
                time = _seconds(frame.pts - start, stream)
                while len(images) < len(times) and time > times[len(images)]:
                    images.append((shown or frame).to_image())
                if len(images) == len(times):
                    break
                shown, end = frame, time + _seconds(frame.duration or 0, stream)
            while shown is not None and len(images) < len(times):
                if times[len(images)] > end + MAX_MISSING_SECONDS:
                    raise RowRejectedError(
                        Reason.MEDIA_TRUNCATED,
                        f"{path} ends at {end:.1f} s, a frame is wanted at {times[-1]:.1f} s",
                    )
                images.append(shown.to_image())
    except (av.FFmpegError, IndexError, TypeError, ValueError) as error:
        raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: {error}") from None
    if len(images) < len(times):
        raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path} has no frames")
    return images
