"""The download of one part of the URLs: many requests at a time in the threads of one worker."""

import resource
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO, cast

from datagen.errors import RowRejectedError
from datagen.files import Files
from datagen.media.web_names import hashed_path, url_hash
from pipelines.fetch.http import Client, Response
from pipelines.fetch.reasons import FetchReason, RequestError, delay_before
from pipelines.fetch_images.hosts import MAX_FAILURES, Hosts, Turn
from pipelines.fetch_images.images import ImageFolder, StoredImage
from pipelines.fetch_images.options import MAX_WAIT_SECONDS, FetchOptions
from pipelines.fetch_images.results import Result, ResultLog
from pipelines.fetch_images.url_files import PartUrls

SPOOLED_BYTES = 1 << 20
"""Bytes of a body in memory; what is larger is in a temporary file until it is checked."""
WAIT_SECONDS = 0.5
OTHER_FILES = 256
"""File descriptors of a process for other things than requests."""
HOSTS_A_CONNECTION = 4
"""Hosts whose connections stay open, for each request at a time: a host rests between its requests."""

_UNANSWERED = (
    FetchReason.NAME_NOT_RESOLVED,
    FetchReason.CONNECTION_FAILED,
    FetchReason.TLS_FAILED,
    FetchReason.TIMEOUT,
    FetchReason.RATE_LIMITED,
    FetchReason.SERVER_ERROR,
)
"""Failures that say something about the host, and nothing about the URL."""


class PartFetcher:
    """Downloads the URLs of a part, each once, and logs the results.

    With `resumes`, an image that is there already is not asked for: its worker was stopped before it logged it.
    """

    def __init__(
        self,
        urls: PartUrls,
        log: ResultLog,
        files: Files,
        options: FetchOptions,
        *,
        resumes: bool = True,
    ) -> None:
        self._urls, self._log, self._options, self._resumes = urls, log, options, resumes
        self._folder = ImageFolder(files, options.out, options.max_side)
        each = options.host_connections
        max_hosts = hosts_that_fit(options.connections, each)
        self._client = Client(
            replace(options.rules, connections_per_host=each, max_hosts=max_hosts)
        )
        self._hosts = Hosts(urls.starts, options.host_rate, options.host_connections)
        self._turns = threading.Condition()
        self._stopped = False
        self._error: BaseException | None = None

    def run(self, check: Callable[[], None] = lambda: None) -> None:
        """Return when every URL has a result; `check` is called every half second and may raise.

        Raises:
            OutputError: the images cannot be written.
        """
        number = min(self._options.connections, max(1, len(self._urls)))
        threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(number)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(WAIT_SECONDS)
                    self._log.flush_old()
                    check()
        finally:
            with self._turns:
                self._stopped = True
                self._turns.notify_all()
            self._log.flush()
            self._client.close()
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        try:
            while (turn := self._next()) is not None:
                self._do(*turn)
        except BaseException as error:
            with self._turns:
                self._error, self._stopped = self._error or error, True
                self._turns.notify_all()

    def _next(self) -> tuple[Turn, str] | None:
        """Wait for the next URL; None when there is none any more."""
        with self._turns:
            while not self._stopped:
                now = time.monotonic()
                found = self._hosts.take(now)
                if found is None:
                    self._turns.notify_all()
                    return None
                if isinstance(found, Turn):
                    return found, self._urls[found.url]
                self._turns.wait(min(found - now, WAIT_SECONDS))
            return None

    def _do(self, turn: Turn, url: str) -> None:
        path = hashed_path(url_hash(url))
        answered, result = True, None
        held = self._folder.held(path) if self._resumes else None
        if held is not None:
            result = _success(url, path, None, held)
        elif turn.given_up:
            message = f"{MAX_FAILURES} URLs of its host failed in a row"
            result = Result(url, reason=FetchReason.HOST_GIVEN_UP, message=message)
        else:
            try:
                result = self._fetched(url, path)
            except RowRejectedError as error:
                result = Result(url, status=200, reason=error.reason, message=error.message)
            except RequestError as error:
                delay = delay_before(turn.attempt, error)
                again = turn.attempt < self._options.tries
                if again and delay is not None and delay <= MAX_WAIT_SECONDS:
                    with self._turns:
                        self._hosts.again(turn, time.monotonic(), delay)
                        self._turns.notify()
                    return
                answered = error.reason not in _UNANSWERED
                result = Result(
                    url, status=error.status, reason=error.reason, message=error.message
                )
        self._log.add(result)
        with self._turns:
            self._hosts.done(turn, answered=answered)
            self._turns.notify()

    def _fetched(self, url: str, path: str) -> Result:
        """Download one image.

        Raises:
            RequestError: nothing was downloaded.
            RowRejectedError: what was downloaded is no image.
        """
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as spooled:
            body = cast(BinaryIO, spooled)
            with self._client.get(url, {"Accept": "image/*,*/*;q=0.5"}) as response:
                self._read(response, body)
            stored = self._folder.keep(body, path)
        return _success(url, path, response.status, stored)

    def _read(self, response: Response, body: BinaryIO) -> None:
        limit, total = self._options.max_bytes, response.num_bytes or 0
        if total <= limit:
            total = 0
            for data in response.chunks():
                total += len(data)
                if total > limit:
                    break
                body.write(data)
        if total > limit:
            raise RequestError(
                FetchReason.TOO_LARGE, f"it has more than {limit:,} bytes", status=response.status
            )


def hosts_that_fit(connections: int, each: int) -> int:
    """Return to how many hosts connections may stay open, and let this process open as many files as that takes.

    A connection takes two file descriptors, and a process of its own may often have only 1024.
    """
    fixed = OTHER_FILES + 3 * connections
    wanted = fixed + 2 * each * HOSTS_A_CONNECTION * connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        wanted = soft
    return max(1, (wanted - fixed) // (2 * each))


def _success(url: str, path: str, status: int | None, stored: StoredImage) -> Result:
    return Result(
        url,
        path,
        status,
        bytes=stored.num_bytes,
        sha256=stored.sha256,
        width=stored.width,
        height=stored.height,
    )
