"""Results of a download: one row a URL, logged while it runs and put into one Parquet file at its end."""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from datagen.errors import OutputError
from datagen.files import Files
from pipelines.fetch_images.url_files import DIGEST_BYTES, url_digest

RESULTS_NAME = "results.parquet"
FLUSH_SECONDS = 5.0
FLUSH_ROWS = 2_000
BATCH_ROWS = 10_000
GROUP_ROWS = 100_000
MAX_SIDE_KEY = b"visinstruct.max_side"
FETCHED = "fetched"


class Result(Struct, frozen=True):
    """What became of a URL. `path` is relative to the folder; `reason` is null if there is an image.

    `status` is that of the last response, null where there was none. `bytes`, `sha256`, `width` and
    `height` are those of the file as it lies, which `max_side` may have shrunk.
    """

    url: str
    path: str | None = None
    status: int | None = None
    reason: str | None = None
    message: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None


_RESULTS = msgspec.json.Decoder(list[Result])
SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        ("path", pa.string()),
        ("status", pa.int16()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)


class ResultLog:
    """Writes the results of a worker, a file every few seconds; threads share it.

    The number of rows is in the name of each file, so that a listing shows the progress.
    """

    def __init__(self, files: Files, folder: str, part: int) -> None:
        self._files, self._lock = files, threading.Lock()
        self._start = f"{folder}/{part:04d}-{secrets.token_hex(4)}"
        self._rows: list[Result] = []
        self._num_files = 0
        self._since = time.monotonic()

    def add(self, result: Result) -> None:
        """Keep a result, and write all that are kept if they are many or old."""
        with self._lock:
            self._rows.append(result)
            self._flush_if(FLUSH_ROWS)

    def flush_old(self) -> None:
        """Write what is kept if it is old."""
        with self._lock:
            self._flush_if(FLUSH_ROWS)

    def flush(self) -> None:
        """Write what is kept."""
        with self._lock:
            self._flush_if(1)

    def _flush_if(self, least: int) -> None:
        rows, now = self._rows, time.monotonic()
        if not rows or (len(rows) < least and now - self._since < FLUSH_SECONDS):
            return
        path = f"{self._start}-{self._num_files:06d}.{len(rows)}.json"
        with self._files.create(path, durable=False) as file:
            file.write(msgspec.json.encode(rows))
        self._num_files += 1
        self._rows, self._since = [], now


class LoggedResults:
    """The results that workers have logged in a folder."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files, self._folder = files, folder

    def paths(self) -> list[str]:
        return self._files.match(f"{self._folder}/*.json")

    def __len__(self) -> int:
        """Return the number of rows, by the names of the files."""
        return sum(int(path.rsplit(".", 2)[1]) for path in self.paths())

    def __iter__(self) -> Iterator[list[Result]]:
        for path in self.paths():
            with self._files.open_binary(path) as file:
                yield _RESULTS.decode(file.read())


class HeldResults:
    """The result file of an earlier download into the same folder.

    Raises:
        OutputError: the file is not one of ours.
    """

    def __init__(self, files: Files, out: str) -> None:
        self._files, self.path = files, f"{out}/{RESULTS_NAME}"
        self.exists = files.exists(self.path)
        self.max_side: str | None = None
        if self.exists:
            with files.open_binary(self.path) as file:
                try:
                    schema = pq.ParquetFile(file).schema_arrow
                except (pa.ArrowException, OSError):
                    schema = pa.schema([])
            metadata = schema.metadata or {}
            if schema.names != SCHEMA.names or MAX_SIDE_KEY not in metadata:
                raise OutputError(
                    f"{self.path} is no result file of fetch-images; move it away or give another --out"
                )
            self.max_side = metadata[MAX_SIDE_KEY].decode()

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self.exists:
            with self._files.open_binary(self.path) as file:
                yield from pq.ParquetFile(file).iter_batches(BATCH_ROWS)

    def done(self, retry: Collection[str]) -> Iterator[str]:
        """Yield the URLs that are not to be asked for again: all but those that failed for a reason of `retry`."""
        for batch in self.batches():
            reasons = batch.column("reason").to_pylist()
            for url, reason in zip(batch.column("url").to_pylist(), reasons, strict=True):
                if reason is None or reason not in retry:
                    yield url


def merge(
    files: Files, held: HeldResults, logged: LoggedResults, max_side: int | None
) -> Counter[str]:
    """Put all results into one file, each URL once, and return how many there are of each reason.

    A logged result replaces the held one; of two logged ones, one with an image counts. Rows are in the
    order in which they came. Memory holds about 50 bytes a logged row.
    """
    schema = SCHEMA.with_metadata({MAX_SIDE_KEY: str(max_side)})
    counts: Counter[str] = Counter()
    waiting: list[pa.RecordBatch] = []
    with files.create(held.path) as file, pq.ParquetWriter(file, schema) as writer:

        def write(least: int) -> None:
            if sum(map(len, waiting)) >= least:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting.clear()

        for batch in _merged(held, logged):
            counts.update(each or FETCHED for each in batch.column("reason").to_pylist())
            waiting.append(batch.replace_schema_metadata(schema.metadata))
            write(GROUP_ROWS)
        write(0)
    return counts


def _merged(held: HeldResults, logged: LoggedResults) -> Iterator[pa.RecordBatch]:
    """Yield the held rows that nothing replaces, then the logged ones that count."""
    digests, keep = _kept(logged)
    for batch in held.batches():
        urls = batch.column("url").to_pylist()
        yield batch.filter(pa.array(~_is_among(digests, _digests(urls))))
    start = 0
    for rows in logged:
        chosen = keep[start : start + len(rows)]
        start += len(rows)
        yield _batch([row for row, kept in zip(rows, chosen, strict=True) if kept])


def _batch(rows: Sequence[Result]) -> pa.RecordBatch:
    columns = [pa.array([getattr(row, f.name) for row in rows], f.type) for f in SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _digests(urls: Iterable[str]) -> npt.NDArray[np.bytes_]:
    return np.frombuffer(b"".join(map(url_digest, urls)), f"S{DIGEST_BYTES}")


def _kept(logged: LoggedResults) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.bool_]]:
    """Return the sorted digests of the logged URLs, and for each row whether it is the one that counts."""
    parts = [np.empty(0, f"S{DIGEST_BYTES}")]
    failed = [np.empty(0, np.bool_)]
    for rows in logged:
        parts.append(_digests(row.url for row in rows))
        failed.append(np.array([row.reason is not None for row in rows], np.bool_))
    digests = np.concatenate(parts)
    order = np.lexsort((np.concatenate(failed), digests))
    digests = digests[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = digests[1:] != digests[:-1]
    keep = np.zeros(len(order), np.bool_)
    keep[order[first]] = True
    return digests[first], keep


def _is_among(
    known: npt.NDArray[np.bytes_], wanted: npt.NDArray[np.bytes_]
) -> npt.NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(wanted), np.bool_)
    places = np.searchsorted(known, wanted).clip(max=len(known) - 1)
    found: npt.NDArray[np.bool_] = known[places] == wanted
    return found
