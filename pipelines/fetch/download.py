"""One file from one address: resumed where it stopped, tried again, and checked before it has its name.

While it is downloaded, a file is `NAME.part`, and `NAME.part.json` holds what the server said about it. It becomes
`NAME` when size and hash are as expected, as far as they are known, and `NAME.mismatch` if they are not.
"""

import errno
import hashlib
import json
import os
import random
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from datagen.errors import UserError
from datagen.files import write_atomically
from datagen.raw.unpack import HEAD_BYTES, foreign_content
from pipelines.fetch.http import Client, Response
from pipelines.fetch.reasons import FetchReason, RequestError, delay_before

MAX_WAIT_SECONDS = 3_600
RESERVED_BYTES = 64 << 20
"""Bytes of the disk that a download leaves free."""
_PROGRESS_BYTES = 1 << 16
"""After more new bytes than this, failures are counted from the start."""
_MAX_RESTARTS = 3
_MAX_WAITING = 4
"""Chunks that wait to be hashed."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_BEGINNINGS = {".zip": b"PK", ".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b"}


class DownloadError(UserError):
    """A file that could not be downloaded."""


class MismatchError(DownloadError):
    """A file that is another one than expected."""


class Stopped(Exception):
    """Raised in a download that is to end."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is known about a file beforehand; `read_in` says where that was read."""

    num_bytes: int | None = None
    sha256: str | None = None
    read_in: str = "a list"

    @property
    def check(self) -> str:
        """Return by what a download is checked: `sha256`, `size`, or `nothing` where nothing is known."""
        return "sha256" if self.sha256 else "size" if self.num_bytes else "nothing"


@dataclass(frozen=True)
class Downloaded:
    """A file that is complete, and by what it was checked (`Expected.check`)."""

    num_bytes: int
    sha256: str
    checked: str


class Progress(Protocol):
    """Hears how a download goes."""

    def at(self, num_bytes: int, total: int | None) -> None:
        """So many bytes are there, of `total` if that is known."""

    def say(self, message: str) -> None:
        """Something happened that a user should know."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download tries.

    Attributes:
        attempts: Failures in a row, with next to no bytes between them, after which it is given up.
        slow_seconds: Time of waiting in which fewer than `slow_bytes` are a stall.
        slow_bytes: See `slow_seconds`.
        wait: Waits a number of seconds, 0 between chunks; raises `Stopped` if the download is to end.
    """

    attempts: int = 6
    slow_seconds: float = 60
    slow_bytes: int = 16_384
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class _State:
    """What the server said about the file of which a part is there."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str | None:
        """Return a value for If-Range: a strong ETag, else the date, else None."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def differs(self, response: Response, total: int | None) -> bool:
        """Return whether a response is of another file: some servers send ranges whatever If-Range says."""
        headers = response.headers
        pairs = (
            (self.etag, headers.get("ETag")),
            (self.last_modified, headers.get("Last-Modified")),
            (self.total, total),
        )
        return any(old and new and old != new for old, new in pairs)


class _RestartError(Exception):
    """What is there is a part of another file."""


def download(
    client: Client,
    url: str,
    path: Path,
    expected: Expected,
    progress: Progress,
    patience: Patience = Patience(),
) -> Downloaded:
    """Download `url` to `path`; a part that an earlier call left is continued.

    One call at a time works on a path: see `datagen.files.locked_file`.

    Raises:
        DownloadError: It cannot be had, or there is no space for it; what is there of it is kept.
        MismatchError: Size or hash are not those expected; the file is kept as `NAME.mismatch`.
        Stopped: `patience.wait` raised it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    task = _Task(client, url, path, expected, progress, patience)
    failures = restarts = 0
    while True:
        before = task.num_bytes_there()
        try:
            return task.attempt()
        except _RestartError as restart:
            restarts += 1
            task.forget()
            if restarts > _MAX_RESTARTS:
                raise DownloadError(
                    f"{url}: {restart}, {restarts} times; start the command again later"
                ) from None
            progress.say(f"{restart}; it is downloaded from its start")
        except RequestError as error:
            is_new = task.num_bytes_there() - before > _PROGRESS_BYTES
            failures = 1 if is_new else failures + 1
            seconds = delay_before(failures, error)
            if seconds is None or failures >= patience.attempts or seconds > MAX_WAIT_SECONDS:
                raise DownloadError(task.gives_up(error, failures, seconds)) from None
            pause = _with_jitter(seconds, error)
            progress.say(f"{error}; the next attempt is in {pause:.0f} s")
            patience.wait(pause)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DownloadError(
                    f"no space left for {path}; what is there of it is kept: free some space and start the "
                    "same command again"
                ) from error
            raise


@dataclass(frozen=True)
class _Task:
    """A download, attempt by attempt."""

    client: Client
    url: str
    path: Path
    expected: Expected
    progress: Progress
    patience: Patience

    @property
    def part(self) -> Path:
        return Path(f"{self.path}.part")

    @property
    def state_file(self) -> Path:
        return Path(f"{self.path}.part.json")

    def num_bytes_there(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.state_file.unlink(missing_ok=True)

    def state(self) -> _State:
        """Return what is known about the part that is there; nothing, if it came from another address."""
        try:
            state = _State(**json.loads(self.state_file.read_bytes()))
        except (OSError, ValueError, TypeError):
            return _State(self.url)
        return state if state.url == self.url else _State(self.url)

    def attempt(self) -> Downloaded:
        state, resumed = self.state(), self.num_bytes_there()
        total = self.expected.num_bytes or state.total
        if resumed and not (state.validator or self.expected.sha256):
            raise _RestartError(
                "the server gives no version by which the part that is there is known"
            )
        if resumed and total and resumed > total:
            raise _RestartError(f"the part that is there has more than {total:,} bytes")
        with _Hasher() as hasher:
            if resumed and resumed == total:
                self.hash_part(hasher, total)
            else:
                self.receive(state, resumed, hasher)
            self.check_beginning()
            problem = hasher.problem(self.expected)
        if problem and resumed:
            raise _RestartError("the part that was there is of another version")
        if problem:
            raise self.set_aside(problem)
        os.replace(self.part, self.path)
        self.forget()
        return Downloaded(hasher.num_bytes, hasher.sha256, self.expected.check)

    def receive(self, state: _State, resumed: int, hasher: "_Hasher") -> None:
        """Request what is missing, and write it behind what is there."""
        headers = {"Range": f"bytes={resumed}-"} if resumed else {}
        if resumed and state.validator:
            headers["If-Range"] = state.validator
        try:
            with self.client.get(self.url, headers) as response:
                total = response.num_bytes
                if response.status == 206:
                    start, total = _range(response)
                    if start != resumed:
                        raise _RestartError(f"the server sent bytes from {start}, not {resumed}")
                    if resumed and state.differs(response, total):
                        raise _RestartError("the file has changed")
                elif resumed:
                    self.progress.say(
                        "the file is sent from its start: it has changed, or the server refuses ranges"
                    )
                    resumed = 0
                self.check_announced(total, resumed)
                if resumed:
                    self.hash_part(hasher, total)
                else:
                    self.remember(response, total)
                self.write(response, resumed, hasher, total)
            if total and hasher.num_bytes < total:
                message = f"the server sent {hasher.num_bytes:,} of {total:,} bytes"
                raise RequestError(FetchReason.TRUNCATED, message, temporary=True)
        except RequestError as error:
            if error.status == 416 and resumed:
                raise _RestartError(
                    "the server has nothing behind the part that is there"
                ) from None
            raise

    def remember(self, response: Response, total: int | None) -> None:
        """Write what the server says about the file, before its first byte."""
        self.part.unlink(missing_ok=True)
        headers = response.headers
        state = _State(self.url, headers.get("ETag"), headers.get("Last-Modified"), total)
        with write_atomically(self.state_file) as file:
            file.write(json.dumps(asdict(state)).encode())

    def write(self, response: Response, resumed: int, hasher: "_Hasher", total: int | None) -> None:
        limit = self.expected.num_bytes or total
        with open(self.part, "ab" if resumed else "wb", buffering=0) as file:
            for data in self.arriving(response):
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                before, after = hasher.num_bytes, hasher.num_bytes + len(data)
                hasher.update(data)
                if before < HEAD_BYTES <= after:
                    self.check_beginning()
                self.progress.at(after, limit)
                if limit and after > limit:
                    return  # the size is checked later
                self.patience.wait(0)

    def arriving(self, response: Response) -> Iterator[bytes]:
        """Yield the chunks of a body; next to none in a long time are a stall. Only waiting counts."""
        waited, arrived, start = 0.0, 0, time.perf_counter()
        for data in response.arriving():
            waited += time.perf_counter() - start
            arrived += len(data)
            if waited >= self.patience.slow_seconds:
                if arrived < self.patience.slow_bytes:
                    message = f"only {arrived:,} bytes came in {waited:.0f} s"
                    raise RequestError(FetchReason.TIMEOUT, message, temporary=True)
                waited, arrived = 0.0, 0
            yield data
            start = time.perf_counter()

    def hash_part(self, hasher: "_Hasher", total: int | None) -> None:
        with open(self.part, "rb") as file:
            while data := file.read(1 << 20):
                hasher.update(data)
                self.progress.at(hasher.num_bytes, total)
                self.patience.wait(0)

    def check_announced(self, total: int | None, resumed: int) -> None:
        """Stop before the first byte where the server's file is of another size, or the disk too full."""
        known = self.expected.num_bytes
        if known and total and total != known:
            raise MismatchError(
                f"{self.url}: the server's file has {total:,} bytes, that of {self.expected.read_in} {known:,}; "
                f"nothing was downloaded. If the publisher has replaced it, download it yourself to {self.path}"
            )
        missing = (total or known or 0) - resumed
        free = shutil.disk_usage(self.path.parent).free
        if missing + RESERVED_BYTES > free:
            raise DownloadError(
                f"{self.path}: {missing / 1e9:.1f} GB are to be downloaded, {free / 1e9:.1f} GB are free; free "
                "some space and start the same command again"
            )

    def check_beginning(self) -> None:
        """Raise if what is there begins as no file of this name does, for example as a web page."""
        with open(self.part, "rb") as file:
            head = file.read(HEAD_BYTES)
        suffix = self.path.suffix.lower()
        if not head:
            found: str | None = "is empty"
        elif suffix in _BEGINNINGS and head.startswith(_BEGINNINGS[suffix]):
            found = None
        else:
            found = foreign_content(head)
            if suffix in _BEGINNINGS:
                found = found or f"is no {suffix} file"
        if found:
            self.forget()
            raise DownloadError(
                f"{self.url}: what the server sends {found}; see whether the address still holds the file"
            )

    def set_aside(self, problem: str) -> MismatchError:
        """Move a file that is not the one expected out of the way, and return the error."""
        aside = Path(f"{self.path}.mismatch")
        os.replace(self.part, aside)
        self.forget()
        return MismatchError(
            f"{self.url}: {problem}; it is kept as {aside}, which nothing reads. If the publisher has replaced "
            f"the file and you trust this one, rename it to {self.path.name}"
        )

    def gives_up(self, error: RequestError, failures: int, seconds: float | None) -> str:
        message = f"{self.url}: {error}"
        if seconds is not None and seconds > MAX_WAIT_SECONDS:
            return f"{message}, and asks to wait {seconds:,.0f} s; start the command again then"
        if error.temporary:
            message += f", {failures} times"
        there = self.num_bytes_there()
        kept = (
            f"; {there:,} bytes are kept, start the same command again to resume" if there else ""
        )
        return message + kept


class _Hasher:
    """Counts what is written, and hashes it in a thread beside: hashing takes as long as receiving and writing."""

    def __init__(self) -> None:
        self.num_bytes = 0
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> "_Hasher":
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown()

    def update(self, data: bytes) -> None:
        self.num_bytes += len(data)
        self._waiting.append(self._thread.submit(self._hash.update, data))
        if len(self._waiting) > _MAX_WAITING:
            self._waiting.popleft().result()

    @property
    def sha256(self) -> str:
        while self._waiting:
            self._waiting.popleft().result()
        return self._hash.hexdigest()

    def problem(self, expected: Expected) -> str | None:
        """Return in what the file differs from the one expected, or None."""
        for name, found, known in (
            ("size in bytes", self.num_bytes, expected.num_bytes),
            ("sha256", self.sha256, expected.sha256),
        ):
            if known and found != known:
                return f"its {name} is {found}, that of {expected.read_in} {known}"
        return None


def _with_jitter(seconds: float, error: RequestError) -> float:
    """Return a pause up to half shorter, or, where the server asked for it, a second longer: clients part."""
    jitter = random.uniform(0, 1)  # noqa: S311
    return seconds + jitter if error.retry_after is not None else seconds * (0.5 + jitter / 2)


def _range(response: Response) -> tuple[int, int | None]:
    """Return the first byte of a partial response and the size of the whole file."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None:
        raise _RestartError("the server sent a part of the file without saying which")
    return int(found[1]), None if found[2] == "*" else int(found[2])
