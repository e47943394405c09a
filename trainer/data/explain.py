"""Origin and texts of sample k of a run, to look up a line of a log."""

from dataclasses import dataclass

from datagen.schema.record import Record
from trainer.data.order.mixing import Part
from trainer.data.order.sample import Sample
from trainer.data.stream import Stream


@dataclass(frozen=True)
class Explanation:
    """Sample k: its place and texts, its record, its source's part in the mixture, its images' files.

    `looked_at` says whether the images were decoded, as in training: only then `sample.replaced`
    lists the rows that it stands in for. A file is None if the image is embedded, or kept by
    reference and nothing says where.
    """

    sample: Sample
    record: Record
    part: Part
    images: tuple[tuple[str, str | None], ...]
    looked_at: bool


def explain(stream: Stream, k: int, look_at_images: bool = True) -> Explanation:
    """Explain sample `k`.

    Raises:
        DataError: it cannot be made in training either.
    """
    sample = stream.sample(k) if look_at_images else stream.texts([k])[0]
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
        looked_at=look_at_images,
    )
