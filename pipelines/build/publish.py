"""Publishing: the folders that a build may write to, and the atomic move of its result there."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import escape, glob
from pathlib import Path

from datagen.build.staging import Staging
from datagen.errors import OutputError
from datagen.files import Files, locked_file
from datagen.schema.manifest import MANIFEST_NAME, Manifest, read_manifest
from pipelines.build.beam_files import BeamFiles
from pipelines.build.exchange import exchange

REPORT_NAME = "report.json"
_EARLIER = "earlier"
_MARK = "publishing"
"""File of a staging folder with the digest of the manifest that is being published."""
DIGITS = 12  # of the hash in a staging folder's name


def held_by(out: str, files: Files) -> Manifest | None:
    """Return the manifest of the dataset that is at `out` already; None if a build may be written there.

    Raises:
        OutputError: the folder holds something else, or a dataset of another version.
    """
    if files.exists(f"{out}/{MANIFEST_NAME}"):
        return read_manifest(out, files)
    if "://" not in out and os.path.exists(out):
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
def locked(staging: Staging) -> Iterator[None]:
    """Hold the staging folder, so that two builds of the same output do not run at once.

    The lock is the system's and goes with the process: a killed build leaves none behind.

    Raises:
        OutputError: another process holds it.
    """
    if "://" in staging.root:
        yield
        return
    Path(staging.root).mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked_file(f"{staging.root}/lock", wait=False))
        except BlockingIOError:
            raise OutputError(f"another build is writing {staging.root}; wait for it") from None
        yield


def staging_of(out: str, work: object) -> Staging:
    """Return the staging folder beside `out`, links resolved; one for each `work`, which must be JSON."""
    digest = hashlib.sha256(json.dumps(work).encode()).hexdigest()[:DIGITS]
    return Staging(f"{_real(out)}.staging-{digest}")


def _real(out: str) -> str:
    return out.rstrip("/") if "://" in out else os.path.realpath(out)


def publish(staging: Staging, out: str, files: BeamFiles, *, replaces: bool = False) -> None:
    """Move the finished output to its place, then drop what was intermediate.

    On local disks the folder is renamed, which is atomic. An earlier dataset of the same build is exchanged
    for it in one step; where the system cannot do that, it moves away first, and `recover` completes what was
    stopped in between. On object stores files are copied one by one, the manifest last and an earlier one
    removed first: readers trust nothing without it, and a build that is stopped here resumes.

    Raises:
        OutputError: something else came to be there while the build ran.
    """
    if "://" in out:
        before = files.below(out.rstrip("/")) if replaces else []
        files.remove([path for path in before if path.endswith(f"/{MANIFEST_NAME}")])
        for path in sorted(files.below(staging.output), key=lambda p: p.endswith(MANIFEST_NAME)):
            files.copy(path, out.rstrip("/") + path[len(staging.output) :])
        new = {out.rstrip("/") + p[len(staging.output) :] for p in files.below(staging.output)}
        files.remove([path for path in before if path not in new])
        files.remove(files.below(staging.root))
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
    drop_unfinished(out)


def _replace(staging: Staging, out: str, files: Files) -> None:
    """Put the finished output in the place of the dataset at `out`.

    The mark says which dataset is published from here on: after an exchange, `output/` holds the earlier one.
    """
    with files.create(f"{staging.root}/{_MARK}") as file:
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


def recover(out: str) -> None:
    """Complete a publication that was stopped in the middle, so that `out` holds one whole dataset."""
    for root in [] if "://" in out else glob(_staging_pattern(out)):
        if os.path.exists(f"{root}/{_MARK}"):
            with suppress(OutputError), locked(Staging(root)):
                _complete(Staging(root), _real(out))


def _complete(staging: Staging, out: str) -> None:
    marked = Path(staging.root, _MARK).read_text()
    if not os.path.lexists(out):
        whole = _digest(staging.output) == marked
        place = staging.output if whole else f"{staging.root}/{_EARLIER}"
        if os.path.isdir(place):
            os.rename(place, out)
    if _digest(staging.output) == marked and _digest(out) != marked:
        os.remove(f"{staging.root}/{_MARK}")  # nothing was moved yet: the build resumes
    else:
        shutil.rmtree(staging.root, ignore_errors=True)


def _digest(folder: str) -> str:
    """Return the sha256 of a dataset's manifest; of a folder without one, a text that no other equals."""
    try:
        return hashlib.sha256(Path(folder, MANIFEST_NAME).read_bytes()).hexdigest()
    except OSError:
        return f"no manifest in {folder}"


def drop_unfinished(out: str) -> None:
    """Remove what stopped builds left beside a finished dataset: nothing more can be published there."""
    for root in [] if "://" in out else glob(_staging_pattern(out)):
        with suppress(OutputError), locked(Staging(root)):
            shutil.rmtree(root, ignore_errors=True)


def _staging_pattern(out: str) -> str:
    return f"{escape(_real(out))}.staging-{'[0-9a-f]' * DIGITS}"
