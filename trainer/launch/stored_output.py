"""Outputs in a store: a run or an evaluation works in a local folder, which is brought there and fetched again.

Files of a run are written bit by bit, renamed and linked, which no store can do. So each host has a copy of
the output in its cache; the first process of all puts what changed back, checkpoint by checkpoint.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from datagen.errors import StoreError, UserError
from datagen.files import TEMPORARY_SUFFIX, is_url, locked_file, write_atomically
from datagen.stores.lock import locked_object
from datagen.stores.store import StoreFiles
from trainer.errors import TrainingError
from trainer.launch.distributed import World
from trainer.launch.folder_lock import LOCK
from trainer.launch.terminal import log

LINK_SUFFIX = ".link"
_SEEN = ".seen.json"
_LAST = ("state.json", "results.json", "run.json")
"""Files that say that others are whole go after them."""


class StoredOutput:
    """An output `url` and its copy in a local folder."""

    def __init__(self, url: str, cache: Path) -> None:
        self.url = url.rstrip("/")
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self.folder = cache / "outputs" / f"{digest}-{self.url.rpartition('/')[2]}"
        self._store = StoreFiles()
        self.check: Callable[[], None] = lambda: None

    def pull(self) -> None:
        """Make the local folder what is in the store: fetch what differs, remove what is not there.

        Raises:
            StoreError: the store cannot be read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        there = self._there()
        seen = self._seen()
        for name, state in there.items():
            if ".." in name.split("/"):
                raise StoreError(f"{self.url}/{name} leads out of its folder")
            path = self.folder / name.removesuffix(LINK_SUFFIX)
            if seen.get(name) == [state, _local_state(path)]:
                continue
            data = self._store.open_binary(f"{self.url}/{name}")
            if name.endswith(LINK_SUFFIX):
                target = data.read().decode()
                if target.startswith("/") or ".." in target.split("/"):
                    raise StoreError(f"{self.url}/{name} leads out of its folder")
                _link(path, target)
            else:
                with data, write_atomically(path) as file:
                    while part := data.read(8 << 20):
                        file.write(part)
            seen[name] = [state, _local_state(path)]
        for name in self._names():
            if name not in there:
                (self.folder / name.removesuffix(LINK_SUFFIX)).unlink()
        self._write_seen({name: seen[name] for name in there})

    def bring_left(self) -> None:
        """Bring what a stopped run could not bring any more, unless somebody wrote to the store since.

        Raises:
            StoreError: the store cannot be read or written.
        """
        seen = self._seen()
        if seen and {name: states[0] for name, states in seen.items()} == self._there():
            self.push(removes=False)

    def push(self, *, removes: bool = True) -> None:
        """Bring the store what changed in the local folder since it was last brought or fetched.

        Raises:
            StoreError: the store cannot be written. The local folder is whole.
            OutputError: the output is not held any more.
        """
        self.check()
        seen = self._seen()
        names = sorted(
            self._names(), key=lambda name: (name.endswith(LINK_SUFFIX), name.endswith(_LAST))
        )
        for name in names:
            path = self.folder / name.removesuffix(LINK_SUFFIX)
            local = _local_state(path)
            if name in seen and seen[name][1] == local:
                _keep_young(path)
                continue
            with self._store.create(f"{self.url}/{name}") as file:
                if path.is_symlink():
                    file.write(os.readlink(path).encode())
                else:
                    with path.open("rb") as source:
                        while part := source.read(8 << 20):
                            file.write(part)
            seen[name] = [self._store.state(f"{self.url}/{name}"), local]
            self._write_seen(seen)
        if not removes:
            return
        gone = [name for name in seen if name not in names]
        self._store.remove([f"{self.url}/{name}" for name in gone])
        self._write_seen({name: seen[name] for name in names})

    def _there(self) -> dict[str, str]:
        """Return the state of each file in the store, by name."""
        found = self._store.below(self.url)
        return {path[len(self.url) + 1 :]: f"{i.size} {i.version}" for path, i in found.items()}

    def _names(self) -> list[str]:
        """Return the files and links of the local folder, links with a suffix of their own."""
        names = []
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            own = name in (LOCK, _SEEN) or TEMPORARY_SUFFIX in name
            if path.is_symlink():
                names.append(name + LINK_SUFFIX)
            elif path.is_file() and not own:
                names.append(name)
        return names

    def _seen(self) -> dict[str, list[str]]:
        """Return, for each file, its state in the store and here when they were last equal."""
        try:
            found = json.loads((self.folder / _SEEN).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return dict(found)

    def _write_seen(self, seen: dict[str, list[str]]) -> None:
        with write_atomically(self.folder / _SEEN) as file:
            file.write(json.dumps(seen).encode())


def _local_state(path: Path) -> str:
    try:
        if path.is_symlink():
            return f"link {os.readlink(path)}"
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _keep_young(path: Path) -> None:
    """Let no cleaner of temporary folders take a file for forgotten: they go by the newest of its times."""
    with suppress(OSError):
        changed = path.lstat().st_mtime_ns
        os.utime(path, ns=(time.time_ns(), changed), follow_symlinks=False)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@contextmanager
def stored_output(url: str, world: World, what: str, cache: Path) -> Iterator[StoredOutput | None]:
    """Hold an output in a store, and fetch what is there to every host; None for a local output. Collective.

    Raises:
        TrainingError: another one holds it, or the store cannot be read or written.
    """
    if not is_url(url):
        yield None
        return
    output = StoredOutput(url, cache)
    with ExitStack() as held:
        problem = None
        try:
            if world.is_first:
                output._store.check_reachable(output.url, writes=True)
                busy = f"another {what} writes to {output.url}"
                lease = held.enter_context(locked_object(f"{output.url}.lock", busy, log))
                output.check = lease.check
                output.bring_left()
        except (UserError, OSError) as error:
            problem = str(error)
        _raise_first([world.broadcast(problem)])
        problem = None
        try:
            if world.launch.local_rank == 0:
                output.pull()
        except (UserError, OSError) as error:
            problem = str(error)
        _raise_first(world.gather(problem))
        try:
            yield output
        except BaseException:  # what a run says that failed is there, too
            if world.is_first:
                try:
                    output.push()
                except (UserError, OSError) as error:
                    log(f"visinstruct: {output.folder} could not be brought to the store: {error}")
            raise
        if world.is_first:
            output.push()


def fetched(url: str, world: World, cache: Path) -> Path:
    """Return a local copy of a folder of a store, such as a run; a local folder as it is. Collective."""
    if not is_url(url):
        return Path(url)
    output = StoredOutput(url, cache / "fetched")  # never the folder that a run writes to
    problem = None
    try:
        if world.launch.local_rank == 0:
            output.folder.mkdir(parents=True, exist_ok=True)
            with locked_file(output.folder / LOCK):
                output.pull()
    except (UserError, OSError) as error:
        problem = str(error)
    _raise_first(world.gather(problem))
    return output.folder


def _raise_first(problems: Iterable[str | None]) -> None:
    for problem in problems:
        if problem is not None:
            raise TrainingError(problem)
