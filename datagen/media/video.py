"""Clips: the times of the frames that stand for one, and their pixels."""

from collections.abc import Sequence
from typing import BinaryIO

import av
from PIL import Image

from datagen.errors import Reason, RowRejectedError

NUM_FRAMES = 4
MAX_MISSING_SECONDS = 0.5


def frame_times(
    duration: float, clip: tuple[float, float] | None = None, num_frames: int = NUM_FRAMES
) -> tuple[float, ...]:
    """The centres, in seconds, of `num_frames` equal parts of the video or of `clip` in it.

    Example:
        >>> frame_times(8.0)
        (1.0, 3.0, 5.0, 7.0)
    """
    start, end = clip or (0.0, duration)
    start, end = min(start, duration), min(end, duration)
    part = (end - start) / num_frames
    return tuple(start + part * (index + 0.5) for index in range(num_frames))


def video_duration(file: BinaryIO, path: str) -> float:
    """Seconds that the video lasts.

    Raises:
        RowRejectedError: it is empty, no video, or does not say.
    """
    if not file.read(1):
        raise RowRejectedError(Reason.MEDIA_EMPTY, f"{path} has no bytes")
    file.seek(0)
    try:
        with av.open(file, "r") as container:
            stream = container.streams.video[0]
            if container.duration:
                return float(container.duration / av.time_base)
            if stream.duration and stream.time_base:
                return float(stream.duration * stream.time_base)
            last = [frame.time for frame in container.decode(stream)][-1]
            if not last:
                raise ValueError("one image, no video")
            return float(last)
    except (av.FFmpegError, IndexError, TypeError, ValueError) as error:
        raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: {error}") from None


def read_frames(file: BinaryIO, path: str, times: Sequence[float]) -> list[Image.Image]:
    """The frame shown at each of the ascending `times`, as RGB images.

    Raises:
        RowRejectedError: the video cannot be decoded up to these times.
    """
    pictures: list[Image.Image] = []
    try:
        with av.open(file, "r") as container:
            stream = container.streams.video[0]
            if times and stream.time_base:
                container.seek(int(times[0] / stream.time_base), stream=stream)
            shown = None
            for frame in container.decode(stream):
                while len(pictures) < len(times) and frame.time > times[len(pictures)]:
                    pictures.append((shown or frame).to_image())
                if len(pictures) == len(times):
                    break
                shown = frame
            while shown is not None and len(pictures) < len(times):
                if times[len(pictures)] > shown.time + MAX_MISSING_SECONDS:
                    raise RowRejectedError(
                        Reason.MEDIA_TRUNCATED,
                        f"{path} ends at {shown.time:.1f} s, a frame is wanted at {times[-1]:.1f} s",
                    )
                pictures.append(shown.to_image())
    except (av.FFmpegError, IndexError, TypeError, ValueError) as error:
        raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: {error}") from None
    if len(pictures) < len(times):
        raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path} has no frames")
    return pictures
