"""The Beam graph of a download: numbers of parts in, each downloaded by one worker.

Elements are numbers. URLs lie in files that all workers see, and results go there as well, so a bundle that
a runner repeats finds its images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from datagen.stores.any_files import AnyFiles
from datagen.stores.connect import StoreSettings
from pipelines.fetch_images.options import FetchOptions
from pipelines.fetch_images.part import PartFetcher
from pipelines.fetch_images.results import ResultLog
from pipelines.fetch_images.url_files import NUM_BUCKETS, Chunk, PartUrls
from pipelines.interrupt import check_stopped


@dataclass(frozen=True)
class FetchWork:
    """The description of a download that every worker gets; `resumes` if images may be there already."""

    options: FetchOptions
    chunks: tuple[Chunk, ...]
    num_parts: int
    log_folder: str
    resumes: bool
    stores: StoreSettings


class FetchPart(beam.DoFn):
    """Numbers of parts in, numbers of their URLs out."""

    def __init__(self, work: FetchWork) -> None:
        self.work = work

    def process(self, part: int) -> Iterator[int]:
        work, files = self.work, AnyFiles()
        work.stores.apply()
        buckets = range(part, NUM_BUCKETS, work.num_parts)
        urls = PartUrls(files, work.chunks, buckets)
        try:
            log = ResultLog(files, work.log_folder, part)
            fetcher = PartFetcher(urls, log, files, work.options, resumes=work.resumes)
            fetcher.run(check_stopped)
            yield len(urls)
        finally:
            urls.close()


def fetch_graph(pipeline: beam.Pipeline, work: FetchWork) -> beam.pvalue.PCollection:
    """Add a download to `pipeline`; the result is the number of URLs of each part."""
    return (
        pipeline
        | "Parts" >> beam.Create(range(work.num_parts), reshuffle=True)
        | "Fetch" >> beam.ParDo(FetchPart(work)).with_output_types(int)
    )
