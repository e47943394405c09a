"""Downloading the images of lists of URLs, on any Beam runner.

The process that starts it reads the lists and writes their URLs by host; Beam downloads; then the process puts
the results into one file. A download that was stopped resumes: what has a result is not asked for again.
"""

import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
)
from rich.console import Console

from datagen.build.staging import Staging
from datagen.errors import OptionError, UserError, nearest
from datagen.errors import Reason as ImageReason
from datagen.files import TEMPORARY_SUFFIX, Files, is_url
from datagen.stores.any_files import AnyFiles
from datagen.stores.connect import StoreSettings
from pipelines.build.beam_options import DEFAULT_RUNNER
from pipelines.build.execute import run_pipeline
from pipelines.build.fingerprint import worker_versions
from pipelines.build.needs import check_engine
from pipelines.build.progress import Reporter
from pipelines.build.publish import output_held_beside
from pipelines.build.watch import watching
from pipelines.build.workers import set_workers
from pipelines.console import messages
from pipelines.fetch.reasons import FetchReason
from pipelines.fetch_images.graph import FetchWork, fetch_graph
from pipelines.fetch_images.lists import UrlList
from pipelines.fetch_images.options import FetchOptions
from pipelines.fetch_images.results import HeldResults, LoggedResults, merge
from pipelines.fetch_images.url_files import NUM_BUCKETS, UrlWriter
from pipelines.interrupt import check_stopped, remembering_ctrl_c

STATE_FOLDER = ".fetching"
LOG_NAME, OPTIONS_NAME = "error.log", "options.json"
URLS_PER_WORKER = 2_000
WORKER_BYTES = 1 << 30
PARTS_ELSEWHERE = 64
"""Parts for engines whose number of workers is not known here."""
STALL_MINUTES = 10.0
ALL = "all"
REASONS = (
    *(each.value for each in FetchReason),
    ImageReason.MEDIA_EMPTY.value,
    ImageReason.MEDIA_TRUNCATED.value,
    ImageReason.MEDIA_UNREADABLE.value,
    ImageReason.MEDIA_TOO_LARGE.value,
)
"""Why there is no image of a URL: of requests, and of bodies that are no usable image."""


@dataclass(frozen=True)
class Fetched:
    """What a download found: rows of the lists and their problems, and all results in the folder by reason."""

    num_urls: int
    problems: Sequence[str]
    counts: Counter[str]


def reasons_to_retry(names: Sequence[str]) -> frozenset[str]:
    """Return the reasons that `names` give, `all` for every one.

    Raises:
        OptionError: one of them is no reason.
    """
    for name in names:
        if name not in (*REASONS, ALL):
            raise OptionError(
                f"--retry {name}: no such reason{nearest(name, REASONS)}; reasons are {', '.join(REASONS)}, all"
            )
    return frozenset(REASONS if ALL in names else names)


def fetch_images(
    lists: Sequence[str],
    options: FetchOptions,
    beam_options: PipelineOptions,
    *,
    url_column: str = "url",
    retry: Collection[str] = (),
    workers: int | None = None,
    num_parts: int | None = None,
    stall_minutes: float = STALL_MINUTES,
    console: Console | None = None,
) -> Fetched:
    """Download the images of all URLs in `lists` that have no result yet.

    Args:
        lists: Files with a URL a row.
        options: As each worker follows them.
        beam_options: The engine.
        url_column: The column of the URL, or a JMESPath expression.
        retry: Reasons; URLs that failed for one of them are asked for again.
        workers: Processes on this machine; None for as many as pay off.
        num_parts: Parts of the hosts, each for one worker; None for the number of workers.
        stall_minutes: The time without any sign of life of a worker after which the download ends.
        console: Where progress goes, by default standard error.

    Raises:
        UserError: a list, an option or the folder cannot be used, or the pipeline failed.
    """
    console = console or messages()
    reporter, files, out = Reporter(console), AnyFiles(), options.out
    say = partial(console.print, highlight=False, markup=False)
    _check_files(files, lists, out)
    check_engine(beam_options, say)
    state = f"{out}/{STATE_FOLDER}"
    held_out = output_held_beside(
        out,
        state,
        say,
        no_folder=f"{out} is no folder; give another --out",
        busy=f"another download is writing to {out}; wait for it",
    )
    with held_out as check_held, remembering_ctrl_c():
        held, logged = HeldResults(files, out), LoggedResults(files, f"{state}/results")
        stopped = _check_size(files, held, state, options.max_side)
        with reporter.stage("read", ", ".join(lists)), _dropping(files, state, not stopped):
            opened = [UrlList(files, path, url_column) for path in lists]
            writer = UrlWriter(files, f"{state}/urls-")
            num_done = _write_urls(opened, held, logged, retry, writer)
        num_urls = sum(each.num_urls for each in opened)
        left = max(0, num_urls - num_done)
        set_workers(beam_options, workers, left, WORKER_BYTES, rows_per_worker=URLS_PER_WORKER)
        _begin(files, state, options.max_side, stopped)
        work = FetchWork(
            options,
            tuple(writer.chunks),
            min(num_parts or _num_parts(beam_options), NUM_BUCKETS),
            f"{state}/results",
            resumes=stopped or held.exists or not is_url(out),
            stores=StoreSettings.of_this_process([out]),
            staging=Staging(f"{state}/run-{secrets.token_hex(4)}"),
            stall_seconds=60 * stall_minutes,
            versions=worker_versions(),
        )
        before = len(logged)
        with reporter.count("images", left, "URLs", lambda: len(logged) - before):
            _run(work, beam_options, f"{state}/{LOG_NAME}", files)
        check_held()
        with reporter.stage("results", held.path):
            counts = merge(files, held, logged, options.max_side)
            _drop_state(files, state)
    return Fetched(num_urls, [problem for each in opened for problem in each.problems()], counts)


def _run(work: FetchWork, beam_options: PipelineOptions, log: str, files: Files) -> None:
    pipeline = beam.Pipeline(options=beam_options)
    fetch_graph(pipeline, work)
    kept = "what is done is kept: start the same command again"
    watch = watching(work.staging, files, work.stall_seconds, work.num_parts)
    run_pipeline(pipeline, log, files, "the download", kept, watch)
    check_stopped()


def _check_files(files: AnyFiles, lists: Sequence[str], out: str) -> None:
    """Refuse what cannot be read or written before anything is made.

    Raises:
        OptionError: a list is missing.
        StoreError: a store does not answer, or refuses.
    """
    for path in filter(is_url, [*lists, out]):
        files.store.check_reachable(path, writes=path == out)
    for path in lists:
        if not files.exists(path):
            raise OptionError(f"there is no list {path}")


def _write_urls(
    lists: Sequence[UrlList],
    held: HeldResults,
    logged: LoggedResults,
    retry: Collection[str],
    writer: UrlWriter,
) -> int:
    """Write the URLs of the lists, and those that are done, of which the number is returned."""
    num_done = 0
    for url in held.done(retry):
        writer.add(url, done=True)
        num_done += 1
    for rows in logged:
        for row in rows:
            writer.add(row.url, done=True)
        num_done += len(rows)
    for each in lists:
        for url in each.urls():
            writer.add(url)
            if each.num_urls % 10_000 == 0:
                check_stopped()
    writer.flush()
    return num_done


def _num_parts(beam_options: PipelineOptions) -> int:
    if str(beam_options.view_as(StandardOptions).runner) != DEFAULT_RUNNER:
        return PARTS_ELSEWHERE
    return max(1, int(beam_options.view_as(DirectOptions).direct_num_workers))


def _check_size(files: Files, held: HeldResults, state: str, max_side: int | None) -> bool:
    """Refuse to mix images of two sizes, and return True if an earlier download was stopped.

    Raises:
        OptionError: the images in the folder were downloaded with another `--max-side`.
    """
    path = f"{state}/{OPTIONS_NAME}"
    stopped = files.exists(path)
    before = held.max_side
    if stopped:
        with files.open_binary(path) as file:
            before = str(json.loads(file.read())["max_side"])
    if before not in (None, str(max_side)):
        given = "without --max-side" if before == "None" else f"with --max-side {before}"
        raise OptionError(
            f"the images there were downloaded {given}; give the same again, or another --out"
        )
    return stopped


def _begin(files: Files, state: str, max_side: int | None, stopped: bool) -> None:
    """Note the size of the images that come, or tidy up after the download that was stopped."""
    if not stopped:
        with files.create(f"{state}/{OPTIONS_NAME}") as file:
            file.write(json.dumps({"max_side": max_side}).encode())
    elif not is_url(state):
        _drop_halves(os.path.dirname(state))


def _drop_halves(out: str) -> None:
    """Remove the files that were being written when a download was killed."""
    for folder in Path(out).glob("[0-9a-f][0-9a-f]"):
        for path in folder.glob(f"*{TEMPORARY_SUFFIX}"):
            path.unlink(missing_ok=True)


def _drop_state(files: AnyFiles, state: str) -> None:
    if is_url(state):
        files.store.remove(files.store.below(state))
    else:
        shutil.rmtree(state, ignore_errors=True)


@contextmanager
def _dropping(files: AnyFiles, state: str, own: bool) -> Iterator[None]:
    """Leave nothing of our `own` behind where the lists cannot be used."""
    try:
        yield
    except UserError:
        if own:
            _drop_state(files, state)
            with suppress(OSError):
                os.rmdir(os.path.dirname(state))
        raise
