"""Where a build may write, and how its result appears there: whole, or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datagen.errors import OutputError
from datagen.files import Files
from datagen.manifest import MANIFEST_NAME, Manifest, read_manifest
from datagen.options import BuildOptions
from datagen.staging import Staging


def published(options: BuildOptions, fingerprint: str, files: Files) -> Manifest | None:
    """The finished dataset of this very build, if it is at `options.out` already.

    Raises:
        OutputError: the folder holds something else.
    """
    out = options.out
    if not files.exists(f"{out}/{MANIFEST_NAME}"):
        if "://" not in out and os.path.exists(out) and (not os.path.isdir(out) or os.listdir(out)):
            raise OutputError(
                f"{out} is not empty and no dataset of visinstruct; give a new or empty folder to --out"
            )
        return None
    manifest = read_manifest(out, files)
    if manifest.fingerprint == fingerprint:
        return manifest
    raise OutputError(
        f"{out} holds another build ({'; '.join(_differences(manifest, options))}); give another "
        "folder to --out, or remove this one"
    )


def _differences(manifest: Manifest, options: BuildOptions) -> list[str]:
    wanted = options.identity()
    differing = [
        f"{name} was {manifest.options.get(name)!r}, is {value!r}"
        for name, value in wanted.items()
        if manifest.options.get(name) != value
    ]
    return differing or ["its input files, templates or versions were others"]


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
    with open(f"{staging.root}/lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(f"another build is writing {staging.root}; wait for it") from None
        yield


def publish(staging: Staging, out: str) -> None:
    """Move the finished output to its place, then drop what was intermediate.

    On local disks the folder is renamed, which is atomic. On object stores files are moved one by one,
    the manifest last: readers trust nothing without it.
    """
    if "://" in out:
        _move_remote(staging.output, out)
        return
    if os.path.isdir(out):
        os.rmdir(out)  # published() saw that it is empty
    os.rename(staging.output, out)
    shutil.rmtree(staging.root, ignore_errors=True)


def _move_remote(source: str, out: str) -> None:
    from apache_beam.io.filesystems import FileSystems

    found = FileSystems.match([f"{source}/**"])[0].metadata_list
    paths = sorted((m.path for m in found), key=lambda path: path.endswith(MANIFEST_NAME))
    for path in paths:
        FileSystems.rename([path], [out + path[len(source) :]])
