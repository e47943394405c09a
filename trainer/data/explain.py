"""Explanation of sample k of a run: its origin, texts and images, to look up a line of a log."""

from dataclasses import dataclass

from datagen.schema.record import Record
from trainer.data.order.sample import Sample
from trainer.data.order.sources import Part
from trainer.data.stream import Stream


@dataclass(frozen=True)
class Explanation:
    """Sample k: its place and texts, its record, its source's part in the mixture, its images' files.

    `images_decoded` is True if the images were decoded, as in training: only then `sample.replaced`
    lists the rows that it stands in for. A file is None if the image is embedded, or if the folder of
    its collection is not known.
    """

    sample: Sample
    record: Record
    part: Part
    images: tuple[tuple[str, str | None], ...]
    images_decoded: bool


def explain(stream: Stream, k: int, decode_images: bool = True) -> Explanation:
    """Explain sample `k`.

    Raises:
        DataError: it cannot be made; training would fail on it too.
    """
    sample = stream.sample(k) if decode_images else stream.texts([k])[0]
    record = stream.record(sample.place)
    paths = [image.path for image in record.images or ()]
    if record.video is not None and not paths:
        paths = [record.video.path]
    held = stream.embedded_images(sample.place) if record.images else [None] * len(paths)
    return Explanation(
        sample=sample,
        record=record,
        part=stream.mixture[sample.place.source],
        images=tuple(
            (path, stream.image_file(path) if data is None else None)
            for path, data in zip(paths, held, strict=True)
        ),
        images_decoded=decode_images,
    )
