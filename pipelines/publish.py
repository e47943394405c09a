"""Where a build may write, and how its result appears there: whole, or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datagen.errors import OutputError
from datagen.files import Files
from datagen.manifest import MANIFEST_NAME, Manifest, read_manifest
from datagen.options import BuildOptions
from datagen.staging import Staging
from pipelines.fingerprint import Identity


def held_by(out: str, files: Files) -> Manifest | None:
    """The manifest of the dataset that is at `out` already; None if a build may be written there.

    Raises:
        OutputError: the folder holds something else, or a dataset of another version.
    """
    if files.exists(f"{out}/{MANIFEST_NAME}"):
        return read_manifest(out, files)
    if "://" not in out and os.path.exists(out) and (not os.path.isdir(out) or os.listdir(out)):
        raise OutputError(
            f"{out} is not empty and no dataset of visinstruct; give a new or empty folder to --out"
        )
    return None


def check_same_build(manifest: Manifest, options: BuildOptions, identity: Identity) -> None:
    """Refuse a dataset that is not the one that `options` describe.

    Raises:
        OutputError: says how they differ.
    """
    if manifest.fingerprint != identity.fingerprint:
        differences = "; ".join(_differences(manifest, options, identity))
        raise OutputError(
            f"{options.out} holds another build ({differences}); give another folder to --out, or "
            "remove this one"
        )


def _differences(manifest: Manifest, options: BuildOptions, identity: Identity) -> Iterator[str]:
    yield from _changed("", manifest.options, options.identity())
    if manifest.template_hash != identity.template_hash:
        yield "the template set was another"
    was = {
        f"{s}/{name}": f["sha256"] for s, fs in manifest.inputs.items() for name, f in fs.items()
    }
    now = {f"{s}/{name}": f.sha256 for s, fs in identity.inputs.items() for name, f in fs.items()}
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            yield f"{name} was {'another' if name in was and name in now else 'not there' if name in now else 'there'}"
    yield from _changed("version of ", manifest.versions, identity.versions)


def _changed(what: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, value in now.items():
        if was.get(name) != value:
            yield f"{what}{name} was {was.get(name)!r}, is {value!r}"


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
