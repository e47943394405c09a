"""Publishing in a store: objects are copied and compared, the manifest last, and then the staging folder is removed.

Readers trust nothing without a manifest. Once everything is made, a mark in the staging folder says which
dataset is published from here on: whoever finds it completes what was stopped, at whatever moment.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from datagen.build.staging import Staging
from datagen.errors import OptionError, OutputError, StoreError
from datagen.schema.manifest import MANIFEST_NAME
from datagen.stores.any_files import AnyFiles
from datagen.stores.lock import Lease, locked_object
from datagen.stores.store import ObjectInfo, StoreFiles

LOCK_SUFFIX = ".lock"
MARK = "publishing"
"""File of a staging folder with the digest of the manifest that is being published."""


@contextmanager
def held_output(out: str, say: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the output, so that no other build writes there, whatever it builds.

    Raises:
        OutputError: another build holds it.
        OptionError: it is a whole bucket.
    """
    out = out.rstrip("/")
    if "/" not in out.partition("://")[2]:
        raise OptionError(
            f"{out} is a whole bucket; give a folder in it to --out, such as {out}/instruct"
        )
    with locked_object(f"{out}{LOCK_SUFFIX}", f"another build writes to {out}", say) as lease:
        yield lease


def check_empty(out: str, files: AnyFiles) -> None:
    """Refuse a folder that holds objects but no dataset.

    Raises:
        OutputError: it does; names one.
    """
    found = files.store.below(out)
    if found:
        raise OutputError(
            f"{out} is not empty ({len(found)} objects, {next(iter(found))}) and no dataset of visinstruct; "
            "give a new or empty folder to --out"
        )


def publish_in_store(staging: Staging, out: str, files: AnyFiles) -> None:
    """Copy the finished output to its place, then remove what was intermediate.

    Raises:
        StoreError: an object did not arrive whole. The staging folder is as it was.
    """
    store = files.store
    with store.create(_mark(staging)) as file:
        file.write(_digest(staging.output, store).encode())
    # also where the manifest stays as it is: the states of images may differ
    _copy(staging, out.rstrip("/"), store)
    _complete(staging, out.rstrip("/"), store)


def recover_in_store(out: str, files: AnyFiles) -> None:
    """Complete a publication that was stopped in the middle. The output must be held."""
    for staging in _stagings(out, files.store):
        if files.store.exists(_mark(staging)):
            _complete(staging, out.rstrip("/"), files.store)


def drop_unfinished_in_store(out: str, files: AnyFiles) -> None:
    """Remove what stopped builds left beside a finished dataset. The output must be held."""
    for staging in _stagings(out, files.store):
        files.remove(files.store.below(staging.root))


def _stagings(out: str, store: StoreFiles) -> list[Staging]:
    parent, _, name = out.rstrip("/").rpartition("/")
    wanted = re.compile(rf"{re.escape(name)}\.staging-[0-9a-f]+")
    return [Staging(f"{parent}/{each}") for each in store.folders(parent) if wanted.fullmatch(each)]


def _mark(staging: Staging) -> str:
    return f"{staging.root}/{MARK}"


def _complete(staging: Staging, out: str, store: StoreFiles) -> None:
    marked = store.read(_mark(staging)).decode()
    if _digest(out, store) != marked:
        _copy(staging, out, store)
    left = store.below(staging.root)
    left.pop(_mark(staging), None)
    store.remove(left)
    store.remove([_mark(staging)])  # last: until then, a stopped publication is completed


def _copy(staging: Staging, out: str, store: StoreFiles) -> None:
    made = _relative(staging.output, store)
    store.remove([f"{out}/{MANIFEST_NAME}"])
    there = _relative(out, store)
    others = [name for name in made if name != MANIFEST_NAME]
    store.copy_all(
        (f"{staging.output}/{name}", f"{out}/{name}")
        for name in others
        if there.get(name) != made[name]
    )
    _check(made, others, out, store)
    store.remove([f"{out}/{name}" for name in there if name not in made])
    store.copy(f"{staging.output}/{MANIFEST_NAME}", f"{out}/{MANIFEST_NAME}")
    _check(made, [MANIFEST_NAME], out, store)


def _check(made: dict[str, ObjectInfo], names: list[str], out: str, store: StoreFiles) -> None:
    arrived = _relative(out, store)
    for name in names:
        size = arrived[name].size if name in arrived else None
        if size != made[name].size:
            found = "is missing" if size is None else f"has {size} bytes"
            raise StoreError(
                f"{out}/{name} {found} after it was copied, {made[name].size} bytes are in the staging folder; "
                "nothing of it was removed: start the same command again"
            )


def _relative(folder: str, store: StoreFiles) -> dict[str, ObjectInfo]:
    return {path[len(folder) + 1 :]: info for path, info in store.below(folder).items()}


def _digest(folder: str, store: StoreFiles) -> str:
    """Return the sha256 of a dataset's manifest; of a folder without one, a text that no other equals."""
    try:
        return hashlib.sha256(store.read(f"{folder}/{MANIFEST_NAME}")).hexdigest()
    except FileNotFoundError:
        return f"no manifest in {folder}"
