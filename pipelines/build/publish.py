"""Publishing: the folders that a build may write to, and the atomic move of its result there.

On local disks a folder is renamed; for stores see `publish_store`.
"""

import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import escape, glob
from pathlib import Path

from datagen.build.staging import Staging
from datagen.errors import OutputError
from datagen.files import Files, is_url, locked_file
from datagen.schema.manifest import MANIFEST_NAME, Manifest, read_manifest
from datagen.stores.any_files import AnyFiles
from pipelines.build.exchange import exchange
from pipelines.build.publish_store import (
    MARK,
    check_empty,
    drop_unfinished_in_store,
    held_output,
    publish_in_store,
    recover_in_store,
)

REPORT_NAME = "report.json"
_EARLIER = "earlier"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
DIGITS = 12  # of the hash in a staging folder's name


def held_by(out: str, files: AnyFiles) -> Manifest | None:
    """Return the manifest of the dataset that is at `out` already; None if a build may be written there.

    Raises:
        OutputError: the folder holds something else, or a dataset of another version.
    """
    if files.exists(f"{out}/{MANIFEST_NAME}"):
        return read_manifest(out, files)
    if is_url(out):
        check_empty(out, files)
        return None
    if os.path.exists(out):
        if not os.path.isdir(out) or os.listdir(out):
            raise OutputError(
                f"{out} is not empty and no dataset of visinstruct; give a new or empty folder to "
                "--out"
            )
        if os.path.ismount(out):
            raise OutputError(
                f"{out} is a mount point, which no finished folder can replace; give a folder inside "
                f"it to --out, such as {out}/instruct"
            )
    return None


def raw_of(out: str, files: Files) -> str | None:
    """Return the raw folder that the report of the dataset at `out` names, or None."""
    try:
        with files.open_binary(f"{out}/{REPORT_NAME}") as file:
            raw = json.loads(file.read()).get("raw")
    except (OSError, ValueError, AttributeError):
        return None
    return raw if isinstance(raw, str) else None


@contextmanager
def output_held(out: str, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Hold an output in a store for the whole build; the function that it gives refuses to go on without.

    On local disks the staging folder is held instead (`locked`), and a rename replaces no other dataset.

    Raises:
        OutputError: another build holds the output.
    """
    if is_url(out):
        with held_output(out, say) as lease:
            yield lease.check
    else:
        yield lambda: None


@contextmanager
def output_held_beside(
    out: str, state: str, say: Callable[[str], None], *, no_folder: str, busy: str
) -> Iterator[Callable[[], None]]:
    """Hold an output as `output_held` does, a local one by a lock in the folder `state` beside it.

    `no_folder` and `busy` are the sentences for a folder that cannot be made and for one that is held.

    Raises:
        OutputError: another process holds it, or the folder cannot be made.
    """
    if is_url(out):
        with output_held(out, say) as check:
            yield check
        return
    try:
        Path(state).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(no_folder) from None
    try:
        with locked_file(f"{state}/lock", wait=False):
            yield lambda: None
    except BlockingIOError:
        raise OutputError(busy) from None


@contextmanager
def locked(staging: Staging) -> Iterator[None]:
    """Hold a local staging folder, so that two equal builds of the same output do not run at once.

    The lock is the system's and goes with the process: a killed build leaves none behind. Some network file
    systems have none; there the user is warned.

    Raises:
        OutputError: another process holds it.
    """
    if is_url(staging.root):
        yield
        return
    Path(staging.root).mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked_file(f"{staging.root}/lock", wait=False))
        except BlockingIOError:
            raise OutputError(f"another build is writing {staging.root}; wait for it") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            warnings.warn(
                f"the file system of {staging.root} has no file locks ({error.strerror}); start only one "
                "build of this output at a time",
                stacklevel=2,
            )
        yield


def staging_of(out: str, work: object) -> Staging:
    """Return the staging folder beside `out`, links resolved; one for each `work`, which must be JSON."""
    digest = hashlib.sha256(json.dumps(work).encode()).hexdigest()[:DIGITS]
    return Staging(f"{_real(out)}.staging-{digest}")


def _real(out: str) -> str:
    return out.rstrip("/") if is_url(out) else os.path.realpath(out)


def publish(staging: Staging, out: str, files: AnyFiles, *, replaces: bool = False) -> None:
    """Move the finished output to its place, then drop what was intermediate.

    On local disks the folder is renamed, which is atomic. An earlier dataset of the same build is exchanged
    for it in one step; where the system cannot do that, it moves away first, and `recover` completes what was
    stopped in between.

    Raises:
        OutputError: something else came to be there while the build ran.
        StoreError: an object did not arrive whole.
    """
    if is_url(out):
        publish_in_store(staging, out, files)
        return
    try:
        if replaces:
            _replace(staging, _real(out), files)
        else:
            os.rename(staging.output, _real(out))  # replaces an empty folder, and no other
    except OSError as error:
        raise OutputError(
            f"{out} cannot be replaced ({error.strerror}): did another build write it meanwhile? move "
            "it away and start the same command again, what is done is kept"
        ) from None
    shutil.rmtree(staging.root, ignore_errors=True)
    drop_unfinished(out, files)


def _replace(staging: Staging, out: str, files: Files) -> None:
    """Put the finished output in the place of the dataset at `out`.

    The mark says which dataset is published from here on: after an exchange, `output/` holds the earlier one.
    """
    with files.create(f"{staging.root}/{MARK}") as file:
        file.write(_digest(staging.output).encode())
    if exchange(staging.output, out):
        return
    earlier = f"{staging.root}/{_EARLIER}"
    shutil.rmtree(earlier, ignore_errors=True)
    os.rename(out, earlier)
    try:
        os.rename(staging.output, out)
    except OSError:
        os.rename(earlier, out)
        raise


def recover(out: str, files: AnyFiles) -> None:
    """Complete a publication that was stopped in the middle, so that `out` holds one whole dataset."""
    if is_url(out):
        recover_in_store(out, files)
        return
    for root in glob(_staging_pattern(out)):
        if os.path.exists(f"{root}/{MARK}"):
            with suppress(OutputError), locked(Staging(root)):
                _complete(Staging(root), _real(out))


def _complete(staging: Staging, out: str) -> None:
    marked = Path(staging.root, MARK).read_text()
    if not os.path.lexists(out):
        whole = _digest(staging.output) == marked
        place = staging.output if whole else f"{staging.root}/{_EARLIER}"
        if os.path.isdir(place):
            os.rename(place, out)
    if _digest(staging.output) == marked and _digest(out) != marked:
        os.remove(f"{staging.root}/{MARK}")  # nothing was moved yet: the build resumes
    else:
        shutil.rmtree(staging.root, ignore_errors=True)


def _digest(folder: str) -> str:
    """Return the sha256 of a dataset's manifest; of a folder without one, a text that no other equals."""
    try:
        return hashlib.sha256(Path(folder, MANIFEST_NAME).read_bytes()).hexdigest()
    except OSError:
        return f"no manifest in {folder}"


def drop_unfinished(out: str, files: AnyFiles) -> None:
    """Remove what stopped builds left beside a finished dataset: nothing more can be published there."""
    if is_url(out):
        drop_unfinished_in_store(out, files)
        return
    for root in glob(_staging_pattern(out)):
        with suppress(OutputError), locked(Staging(root)):
            shutil.rmtree(root, ignore_errors=True)


def _staging_pattern(out: str) -> str:
    return f"{escape(_real(out))}.staging-{'[0-9a-f]' * DIGITS}"
