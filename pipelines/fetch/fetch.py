"""Downloads brought into a raw folder: what is complete is left alone, the rest is downloaded and unpacked, several at once."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from datagen.errors import UserError
from datagen.files import LocalFiles, hash_file, locked_file
from datagen.raw.gather import raw_exists
from datagen.schema.card import SourceCard
from datagen.schema.download import Download
from pipelines.fetch.download import (
    Expected,
    MismatchError,
    Patience,
    Progress,
    Stopped,
    download,
)
from pipelines.fetch.http import Client
from pipelines.fetch.record import (
    Record,
    forget_record,
    lock_path,
    read_record,
    write_record,
)
from pipelines.fetch.unpack import All, Members, Named, staging_folder, unpack

LOCK_SECONDS = 1.0
"""Time between two looks at whether another process has finished with a download."""


class State(StrEnum):
    """What is known about a download on this disk."""

    COMPLETE = "complete"  # by this command, as its record says
    FOUND = "found"  # there, but not by this command
    BY_HAND = "by hand"  # absent; a person has to get it
    ABSENT = "absent"
    FAILED = "failed"
    MISMATCH = "mismatch"


@dataclass(frozen=True)
class Outcome:
    """What became of a download; `checked` is `sha256`, `size` or `nothing`, `message` what a user should know."""

    download: Download
    state: State
    checked: str | None = None
    message: str | None = None
    is_new: bool = False


class View(Protocol):
    """Shows how downloads go; called from several threads."""

    def start(self, download: Download) -> Progress: ...

    def end(self, outcome: Outcome) -> None: ...


def state_of(raw: Path, wanted: Download) -> Outcome:
    """Return what is there of a download, without asking any server or reading whole files."""
    folder = raw / wanted.folder
    record = read_record(raw, wanted)
    if record is not None and _holds(record, wanted, folder):
        return Outcome(wanted, State.COMPLETE, record.checked)
    if _is_found(raw, wanted):
        return Outcome(wanted, State.FOUND, message=_other_size(raw / wanted.path, wanted))
    return Outcome(wanted, State.BY_HAND if wanted.by_hand else State.ABSENT)


def files_there(raw: Path, card: SourceCard) -> set[str]:
    """Return the names of a source's files that are in the raw folder."""
    folder = raw / card.folder
    return {each.name for each in card.files if raw_exists(LocalFiles(), f"{folder}/{each.name}")}


def fetch(
    client: Client,
    raw: Path,
    wanted: Sequence[Download],
    view: View,
    *,
    parallel: int = 4,
    keep_archives: bool = False,
    patience: Patience | None = None,
) -> list[Outcome]:
    """Bring downloads into a raw folder, `parallel` at once, and return what became of each, in order.

    A failure of one does not stop the others. Ctrl-C stops all of them; what is there of each is kept.
    """
    stop = threading.Event()

    def wait(seconds: float) -> None:
        if stop.is_set() or (seconds and stop.wait(seconds)):
            raise Stopped

    patient = replace(patience or Patience(), wait=wait)
    outcomes: dict[str, Outcome] = {}
    errors: list[BaseException] = []
    waiting: SimpleQueue[Download] = SimpleQueue()
    for each in wanted:
        waiting.put(each)

    def work() -> None:
        try:
            while not stop.is_set():
                each = waiting.get_nowait()
                outcomes[each.path] = bring(client, raw, each, view, patient, keep_archives)
        except (Empty, Stopped):
            return
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [
        threading.Thread(target=work, daemon=True) for _ in range(min(parallel, len(wanted)))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join(2)
        raise
    if errors:
        raise errors[0]
    return [outcomes[each.path] for each in wanted]


def bring(
    client: Client,
    raw: Path,
    wanted: Download,
    view: View,
    patience: Patience,
    keep_archives: bool = False,
) -> Outcome:
    """Bring one download into a raw folder, unless it is there; another process that does the same is waited for.

    Raises:
        Stopped: `patience.wait` raised it.
    """
    outcome = state_of(raw, wanted)
    if outcome.state is State.FOUND and wanted.url is not None:
        # another process may have brought it, and be about to write its record
        with suppress(OSError), _locked(lock_path(raw, wanted), None, patience):
            outcome = state_of(raw, wanted)
    if outcome.state is State.ABSENT:
        progress = view.start(wanted)
        try:
            with _locked(lock_path(raw, wanted), progress, patience):
                outcome = state_of(raw, wanted)
                if outcome.state is State.ABSENT:
                    record = _bring(client, raw, wanted, progress, patience)
                    write_record(raw, wanted, record)
                    if wanted.is_archive and not keep_archives:
                        (raw / wanted.path).unlink()
                    outcome = Outcome(wanted, State.COMPLETE, record.checked, is_new=True)
        except MismatchError as error:
            outcome = Outcome(wanted, State.MISMATCH, message=str(error))
        except UserError as error:
            outcome = Outcome(wanted, State.FAILED, message=str(error))
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            outcome = Outcome(wanted, State.FAILED, message=f"{error.strerror or error}{where}")
    view.end(outcome)
    return outcome


def _bring(
    client: Client,
    raw: Path,
    wanted: Download,
    progress: Progress,
    patience: Patience,
) -> Record:
    assert wanted.url is not None
    forget_record(raw, wanted)
    folder, path = raw / wanted.folder, raw / wanted.path
    if path.exists():  # an archive: a file that is there would be found
        progress.say(f"{path} is there already, and is unpacked")
        num_bytes, sha256 = hash_file(LocalFiles(), str(path))
        checked = "sha256" if sha256 == wanted.sha256 else "nothing"
        if wanted.sha256 and checked == "nothing":
            progress.say(f"{path}: its sha256 is not that of {wanted.origin}")
    else:
        expected = Expected(num_bytes=wanted.num_bytes, sha256=wanted.sha256, read_in=wanted.origin)
        done = download(client, wanted.url, path, expected, progress, patience)
        num_bytes, sha256, checked = done.num_bytes, done.sha256, done.checked
        if wanted.is_archive:
            shutil.rmtree(staging_folder(path, folder), ignore_errors=True)
    files = {wanted.name: num_bytes}
    if wanted.is_archive:
        files = dict(unpack(path, folder, members_of(wanted), progress, patience))
    return Record(wanted.url, num_bytes, sha256, checked, files)


def members_of(wanted: Download) -> Members:
    """Return which members of an archive are unpacked."""
    if not wanted.images_of:
        return Named(wanted.brings)
    return All(wanted.brings, wanted.strip, wanted.only, wanted.flat)


@contextmanager
def _locked(path: Path, progress: Progress | None, patience: Patience) -> Iterator[None]:
    """Hold the lock of a download; a process that holds it is waited for."""
    told = False
    while True:
        try:
            with locked_file(path, wait=False):
                yield
            return
        except BlockingIOError:
            if progress is not None and not told:
                progress.say("another process downloads it; waiting for that")
            told = True
        patience.wait(LOCK_SECONDS)


def _holds(record: Record, wanted: Download, folder: Path) -> bool:
    """Return whether the files of a record are there, of their sizes, and of the file that is wanted now."""
    if wanted.sha256 is not None and record.checked == "sha256" and record.sha256 != wanted.sha256:
        return False
    try:
        return all(
            (folder / name).stat().st_size == num_bytes for name, num_bytes in record.files.items()
        )
    except OSError:
        return False


def _other_size(path: Path, wanted: Download) -> str | None:
    """Return in what a file that was found differs from the one that is listed, or None."""
    if wanted.num_bytes is None or wanted.is_archive or not path.is_file():
        return None
    found = path.stat().st_size
    if found == wanted.num_bytes:
        return None
    return f"has {found:,} bytes, that of {wanted.origin} {wanted.num_bytes:,}"


def _is_found(raw: Path, wanted: Download) -> bool:
    """Return whether there is what a download brings, however it came there."""
    folder = raw / wanted.folder
    if wanted.url is not None and staging_folder(raw / wanted.path, folder).exists():
        return False  # a run was stopped while it unpacked
    if not all(raw_exists(LocalFiles(), f"{folder}/{name}") for name in wanted.brings):
        return False
    if wanted.fills is None:
        return True
    place = folder / wanted.fills
    return place.is_dir() and any(
        not each.name.startswith((".", wanted.name)) for each in place.iterdir()
    )
