"""A lock in a store: an object that its holder keeps changing, made by a conditional write.

A holder that was killed leaves the object behind. Others see that it does not change any more, by their
own clocks alone, and take it over; on the holder's own machine they see at once that its process is gone.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from datagen.errors import OutputError, StoreError, UserError
from datagen.stores.store import StoreFiles

BEAT_SECONDS = 15.0
ABANDONED_SECONDS = 60.0
"""A lock that did not change for so long has no holder."""
POLL_SECONDS = 3.0


class Lease:
    """A lock that is held; `check` says whether it still is."""

    def __init__(self, path: str, holder: dict[str, Any]) -> None:
        self.path, self.holder = path, holder
        self.files = StoreFiles()
        self._ended = threading.Event()
        self._lost = ""
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def check(self) -> None:
        """Refuse to go on without the lock.

        Raises:
            OutputError: another process took it, since this one did not renew it in time.
        """
        self._lost = self._lost or self._taken_by()
        if self._lost:
            raise OutputError(
                f"the lock {self.path} was lost ({self._lost}); nothing was published and what is done is "
                "kept: start the same command again"
            )

    def _taken_by(self) -> str:
        """Return who has the lock, if it is another one; empty if it is ours."""
        found = _read(self.files, self.path)
        if found is None:
            return "it was removed"
        return "" if found.get("id") == self.holder["id"] else "another process holds it"

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(BEAT_SECONDS):
            try:
                if lost := self._taken_by():
                    self._lost = lost
                    return
                self.holder["beat"] += 1
                with self.files.create(self.path) as file:
                    file.write(_encoded(self.holder))
                if time.monotonic() - last > ABANDONED_SECONDS:
                    self._lost = "it was not renewed in time"
                    return
                last = time.monotonic()
            except (UserError, OSError) as error:
                if time.monotonic() - last > ABANDONED_SECONDS:
                    self._lost = str(error)
                    return

    def _start(self) -> None:
        self._thread.start()

    def _release(self) -> None:
        self._ended.set()
        self._thread.join()
        with suppress(UserError, OSError):
            if not self._lost and not self._taken_by():
                self.files.remove([self.path])


@contextmanager
def locked_object(path: str, busy: str, say: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the lock object `path` of a store; `busy` begins the sentence for one that is held.

    Raises:
        OutputError: another process holds it and is alive.
        StoreError: the store cannot be written.
    """
    lease = Lease(path, _this_process())
    _take(lease, busy, say)
    lease._start()
    try:
        yield lease
    finally:
        lease._release()


def _take(lease: Lease, busy: str, say: Callable[[str], None]) -> None:
    files, path = lease.files, lease.path
    took_over = False
    while True:
        if files.create_new(path, _encoded(lease.holder)):
            _check_conditions(lease, busy, say)
            if took_over:  # another one may have removed ours, instead of the abandoned one
                time.sleep(POLL_SECONDS)
                if lost := lease._taken_by():
                    raise OutputError(f"{busy}: {lost}, which took it over too; wait for it")
            return
        found = _read(files, path)
        if found is None:
            continue  # it was released in between
        if found.get("id") == lease.holder["id"]:
            return  # the store's answer was lost, and the request repeated
        if not _is_gone(found):
            _wait_until_abandoned(files, path, found, busy, say)
        say(f"{path}: its holder, {_named(found)}, is gone; the lock is taken over")
        took_over = True
        with suppress(FileNotFoundError):
            if _read(files, path) == found:
                files.remove([path])


def _check_conditions(lease: Lease, busy: str, say: Callable[[str], None]) -> None:
    """Where a store overwrites although told not to, see who wrote last."""
    if not lease.files.create_new(lease.path, _encoded(lease.holder)):
        return
    say(
        f"{lease.path}: this store knows no conditional writes; start only one build of this output"
    )
    time.sleep(POLL_SECONDS)
    found = _read(lease.files, lease.path)
    if found is None or found.get("id") != lease.holder["id"]:
        who = "another process" if found is None else _named(found)
        raise OutputError(f"{busy}: {who} began at the same time; wait for it")


def _wait_until_abandoned(
    files: StoreFiles, path: str, found: dict[str, Any], busy: str, say: Callable[[str], None]
) -> None:
    """Watch a lock until it has not changed for `ABANDONED_SECONDS`, or is released.

    Raises:
        OutputError: it changed: its holder is alive.
    """
    say(f"{path} is held by {_named(found)}; looking for {ABANDONED_SECONDS:.0f} s if it still is")
    start = time.monotonic()
    while time.monotonic() - start < ABANDONED_SECONDS:
        time.sleep(POLL_SECONDS)
        now = _read(files, path)
        if now is None:
            return
        if now != found:
            raise OutputError(f"{busy}: {_named(now)} is writing it; wait for it")


def _is_gone(holder: dict[str, Any]) -> bool:
    """Return True if the holder was a process of this machine that is no more."""
    here = _this_process()
    if holder.get("host") != here["host"] or holder.get("boot") != here["boot"]:
        return False
    return _started(int(holder.get("pid", 0))) != holder.get("started")


def _this_process() -> dict[str, Any]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {
        "id": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "boot": boot.read_text().strip() + _pid_namespace() if boot.exists() else "",
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "beat": 0,
    }


def _pid_namespace() -> str:
    """Processes of two containers may have one number."""
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def _started(pid: int) -> str:
    """Return when a process was started, in ticks since boot; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _named(holder: dict[str, Any]) -> str:
    return f"process {holder.get('pid')} on {holder.get('host')}"


def _read(files: StoreFiles, path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(files.read(path))
    except FileNotFoundError:
        return None
    except ValueError:
        raise StoreError(f"{path} is no lock of visinstruct; remove it") from None
    return found if isinstance(found, dict) else {}


def _encoded(holder: dict[str, Any]) -> bytes:
    return json.dumps(holder).encode()
