"""Checks the media of examples while they are staged, and prepares what will be embedded.

Image bytes never travel between workers: an image that is embedded as it is gets read when its
shard is written; one that must be re-encoded, or a video's frames, go into a file beside the staged
range, of which the record keeps the place.
"""

import io
from typing import BinaryIO, Protocol

from msgspec import Struct

from datagen.build.options import BuildOptions
from datagen.errors import Reason, RowRejectedError
from datagen.media.media import (
    MediaRoots,
    UndecodableError,
    inspect_image,
    needs_reencoding,
    reencode,
)
from datagen.media.video import frame_times, read_frames, video_duration
from datagen.schema.example import Example

MAX_REMEMBERED = 8_192
AS_IT_IS = (-1, 0)
BY_REFERENCE = (-2, 0)
FRAME_QUALITY = 92


class StagedMedia(Struct, frozen=True):
    """Paths of images, or times of a video's frames; of what is embedded, where the bytes are.

    `packed` holds (offset, length) in the range's images, `AS_IT_IS` for the file itself, or `BY_REFERENCE`
    beside images that are embedded although the others are not: those of a pack file always are.
    """

    paths: tuple[str, ...]
    frame_times: tuple[float, ...] | None = None
    packed: tuple[tuple[int, int], ...] | None = None


class PreparesMedia(Protocol):
    """The part of media preparation that staging calls.

    `reencoded` counts changed images, `packed_bytes` is how much went beside the staged range.
    """

    reencoded: int
    packed_bytes: int

    def prepare(self, example: Example) -> StagedMedia:
        """Check the example's media.

        Raises:
            RowRejectedError: one of them cannot be used.
        """


class MediaStage:
    """The media of one range. `pack` receives prepared images; None where nothing is embedded."""

    def __init__(self, roots: MediaRoots, options: BuildOptions, pack: BinaryIO | None) -> None:
        self.roots, self.pack = roots, pack
        self.keep_missing = options.missing_images == "keep"
        self.max_side = options.image_max_side
        self.packed_bytes = 0
        self.reencoded = 0
        self._remembered: dict[str, StagedMedia | RowRejectedError] = {}

    def prepare(self, example: Example) -> StagedMedia:
        """Check the example's media.

        Raises:
            RowRejectedError: one of them cannot be used.
        """
        if example.images is None:
            assert example.video is not None
            return self._once(f"{example.video}#{example.clip}", example)
        if len(example.images) == 1:
            return self._once(example.images[0], example)
        parts = [self._once(path, example) for path in example.images]
        paths = tuple(path for part in parts for path in part.paths)
        if all(part.packed is None for part in parts):
            return StagedMedia(paths)
        packed = [part.packed or (BY_REFERENCE,) * len(part.paths) for part in parts]
        return StagedMedia(paths, packed=tuple(place for places in packed for place in places))

    def _once(self, name: str, example: Example) -> StagedMedia:
        known = self._remembered.get(name)
        if known is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            try:
                known = self._video(example) if example.video else self._image(name)
            except RowRejectedError as error:
                known = error
            self._remembered[name] = known
        if isinstance(known, RowRejectedError):
            raise known
        return known

    def _image(self, path: str) -> StagedMedia:
        try:
            info = inspect_image(self.roots, path)
        except RowRejectedError as error:
            if error.reason is not Reason.MEDIA_MISSING:
                raise
            other = self.roots.under_another_suffix(path)
            if other is not None:
                return self._image(other)
            if self.keep_missing:
                return StagedMedia((path,))
            raise
        if self.pack is None:
            is_file = self.roots.packed(path) is None
            return StagedMedia((path,), packed=None if is_file else (AS_IT_IS,))
        if not needs_reencoding(info, self.max_side):
            return StagedMedia((path,), packed=(AS_IT_IS,))
        with self.roots.open(path) as file:
            data = file.read()
        try:
            place = self._put(reencode(data, info, self.max_side))
        except UndecodableError as error:
            raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: {error}") from None
        self.reencoded += 1
        return StagedMedia((path,), packed=(place,))

    def _video(self, example: Example) -> StagedMedia:
        path = example.video
        assert path is not None
        try:
            with self.roots.open(path) as file:
                duration = video_duration(file, path)
                if example.clip is not None and example.clip[0] >= duration:
                    raise RowRejectedError(
                        Reason.MEDIA_TRUNCATED,
                        f"{path} lasts {duration:.1f} s, and its clip begins at {example.clip[0]:.1f} s",
                    )
                times = frame_times(duration, example.clip)
                if self.pack is None:
                    return StagedMedia((), times)
                file.seek(0)
                frames = read_frames(file, path, times)
        except RowRejectedError as error:
            if error.reason is Reason.MEDIA_MISSING and self.keep_missing:
                return StagedMedia(())
            raise
        places = []
        for frame in frames:
            if self.max_side and max(frame.size) > self.max_side:
                frame.thumbnail((self.max_side, self.max_side), reducing_gap=None)
            encoded = io.BytesIO()
            frame.save(encoded, "JPEG", quality=FRAME_QUALITY)
            places.append(self._put(encoded.getvalue()))
        paths = tuple(f"{path}#t={time:.3f}" for time in times)
        return StagedMedia(paths, times, tuple(places))

    def _put(self, data: bytes) -> tuple[int, int]:
        assert self.pack is not None
        self.pack.write(data)
        place = (self.packed_bytes, len(data))
        self.packed_bytes += len(data)
        return place
