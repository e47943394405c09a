"""The Beam graph of a download: numbers of parts in, each downloaded by one worker.

Elements are numbers. URLs lie in files that all workers see, and results go there as well, so a bundle that
a runner repeats finds its images.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam

from datagen.build.staging import Staging
from datagen.errors import UserError
from datagen.stores.any_files import AnyFiles
from datagen.stores.connect import StoreSettings
from pipelines.build.fingerprint import different_versions, worker_versions
from pipelines.build.pulse import pulse_of
from pipelines.fetch_images.options import FetchOptions
from pipelines.fetch_images.part import PartFetcher
from pipelines.fetch_images.results import ResultLog
from pipelines.fetch_images.url_files import NUM_BUCKETS, Chunk, PartUrls
from pipelines.interrupt import check_stopped


@dataclass(frozen=True)
class FetchWork:
    """The description of a download that every worker gets.

    `resumes` if images may be there already. In `staging` workers leave their signs of life and a report of each
    part; after `stall_seconds` without any, the download ends.
    """

    options: FetchOptions
    chunks: tuple[Chunk, ...]
    num_parts: int
    log_folder: str
    resumes: bool
    stores: StoreSettings
    staging: Staging
    stall_seconds: float
    versions: Mapping[str, str]

    def check_worker(self) -> None:
        """Refuse a worker that would not write the same bytes as the process that started the download.

        Raises:
            UserError: its code or a library is of another version.
        """
        if different := different_versions(self.versions, worker_versions()):
            raise UserError(f"a worker has {different}; install the same versions on all machines")


class FetchPart(beam.DoFn):
    """Numbers of parts in, numbers of their URLs out."""

    def __init__(self, work: FetchWork) -> None:
        self.work = work

    def process(self, part: int) -> Iterator[int]:
        work, files = self.work, AnyFiles()
        work.stores.apply()
        work.check_worker()
        urls = PartUrls(files, work.chunks, range(part, NUM_BUCKETS, work.num_parts))
        try:
            log = ResultLog(files, work.log_folder, part)
            fetcher = PartFetcher(urls, log, files, work.options, resumes=work.resumes)
            with pulse_of(work.staging, files, work.stall_seconds).working(f"part {part}"):
                fetcher.run(check_stopped)
            with files.create(report_of(work.staging, part), durable=False) as file:
                file.write(b"{}")
            yield len(urls)
        finally:
            urls.close()


def report_of(staging: Staging, part: int) -> str:
    """Return the path of the file that says that a part is done."""
    return staging.range("images", "urls", part, "report.json")


def fetch_graph(pipeline: beam.Pipeline, work: FetchWork) -> beam.pvalue.PCollection:
    """Add a download to `pipeline`; the result is the number of URLs of each part."""
    return (
        pipeline
        | "Parts" >> beam.Create(range(work.num_parts), reshuffle=True)
        | "Fetch" >> beam.ParDo(FetchPart(work)).with_output_types(int)
    )
