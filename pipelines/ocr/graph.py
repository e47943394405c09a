"""The Beam graph: parts in, each a few images that one worker reads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from PIL import Image

from datagen.errors import Reason, RowRejectedError
from datagen.media.media import UndecodableError, decode_image, inspect_file
from datagen.stores.any_files import AnyFiles
from datagen.stores.connect import StoreSettings
from pipelines.interrupt import check_stopped
from pipelines.ocr.reader import OcrOptions, RapidReader, Reader
from pipelines.ocr.results import OcrResult, PartFiles

READING_FAILED = "reading_failed"
"""The reason of an image that could be decoded, and on which the library failed."""


@dataclass(frozen=True)
class OcrWork:
    """The description of the work that every worker gets."""

    folder: str
    results: str
    options: OcrOptions
    stores: StoreSettings
    make_reader: Callable[[OcrOptions], Reader] = RapidReader


class ReadPart(beam.DoFn):
    """Paths of images in, their number out. The reader is loaded once a process."""

    def __init__(self, work: OcrWork) -> None:
        self.work = work
        self.reader: Reader | None = None

    def process(self, part: Sequence[str]) -> Iterator[int]:
        work, files = self.work, AnyFiles()
        work.stores.apply()
        if self.reader is None:
            self.reader = work.make_reader(work.options)
        results = []
        for path in part:
            check_stopped()
            results.append(read_image(path, work.folder, files, self.reader))
        PartFiles(files, work.results).write(results)
        yield len(results)


def read_image(path: str, folder: str, files: AnyFiles, reader: Reader) -> OcrResult:
    """Return the words of an image, or why it cannot be read."""
    place = f"{folder}/{path}"
    state = ""
    try:
        state = files.state(place)
        with files.open_whole(place) as file:
            inspect_file(file, path)
            file.seek(0)
            pixels = np.asarray(decode_image(file.read()))
    except RowRejectedError as error:
        return OcrResult(path, state, reason=error.reason, message=error.message)
    except (UndecodableError, Image.DecompressionBombError) as error:
        return OcrResult(path, state, reason=Reason.MEDIA_UNREADABLE, message=f"{path}: {error}")
    except FileNotFoundError:
        message = f"{path} is not there"
        return OcrResult(path, state, reason=Reason.MEDIA_MISSING, message=message)
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        return OcrResult(path, state, reason=Reason.MEDIA_UNREADABLE, message=message)
    try:
        return OcrResult(path, state, words=reader.read(pixels))
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # of the library, or of what it calls
        message = f"{path}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return OcrResult(path, state, reason=READING_FAILED, message=message)


def ocr_graph(
    pipeline: beam.Pipeline, work: OcrWork, parts: Sequence[Sequence[str]]
) -> beam.pvalue.PCollection:
    """Add the reading of `parts` to `pipeline`; the result is the number of images of each."""
    return (
        pipeline
        | "Parts" >> beam.Create(list(map(tuple, parts)), reshuffle=True)
        | "Read" >> beam.ParDo(ReadPart(work)).with_output_types(int)
    )
