"""Where a build may write, and how its result appears there: whole, or not at all."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import escape, glob
from pathlib import Path
from typing import Any

from datagen.build.options import BuildOptions
from datagen.build.staging import Staging
from datagen.build.totals import SplitWork
from datagen.errors import OutputError
from datagen.files import Files
from datagen.schema.manifest import MANIFEST_NAME, Manifest, read_manifest
from pipelines.build.beam_files import BeamFiles
from pipelines.build.fingerprint import Identity

DIGITS = 12  # of the hash in a staging folder's name


def held_by(out: str, files: Files) -> Manifest | None:
    """The manifest of the dataset that is at `out` already; None if a build may be written there.

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


def staging_of(out: str, work: object) -> Staging:
    """The staging folder beside `out`, links resolved; one for each `work`, which must be JSON."""
    digest = hashlib.sha256(json.dumps(work).encode()).hexdigest()[:DIGITS]
    return Staging(f"{_real(out)}.staging-{digest}")


def _real(out: str) -> str:
    return out.rstrip("/") if "://" in out else os.path.realpath(out)


def publish(staging: Staging, out: str, files: BeamFiles) -> None:
    """Move the finished output to its place, then drop what was intermediate.

    On local disks the folder is renamed, which is atomic. On object stores files are copied one by
    one, the manifest last: readers trust nothing without it, and a build that is stopped here goes on.

    Raises:
        OutputError: something else came to be there while the build ran.
    """
    if "://" in out:
        for path in sorted(files.below(staging.output), key=lambda p: p.endswith(MANIFEST_NAME)):
            files.copy(path, out.rstrip("/") + path[len(staging.output) :])
        files.remove(files.below(staging.root))
        return
    try:
        os.rename(staging.output, _real(out))  # replaces an empty folder, and no other
    except OSError as error:
        raise OutputError(
            f"{out} cannot be replaced ({error.strerror}): did another build write it meanwhile? move "
            "it away and start the same command again, what is done is kept"
        ) from None
    shutil.rmtree(staging.root, ignore_errors=True)
    drop_unfinished(out)


def drop_unfinished(out: str) -> None:
    """Remove what stopped builds left beside a finished dataset: nothing more can be published there."""
    for root in [] if "://" in out else glob(_staging_pattern(out)):
        with suppress(OutputError), locked(Staging(root)):
            shutil.rmtree(root, ignore_errors=True)


def _staging_pattern(out: str) -> str:
    return f"{escape(_real(out))}.staging-{'[0-9a-f]' * DIGITS}"


def look_again(work: Sequence[SplitWork], staging: Staging, files: BeamFiles) -> None:
    """Forget which media could not be used: before the next try, they may be there."""
    refused = [
        staging.range(r.source, r.split, r.number, "report.json")
        for each in work
        for r in each.ranges
        if any(reason.startswith(("media_", "unsafe_")) for reason in r.rejected)
    ]
    if refused:
        shards = (shard for each in work for shard in each.shards)
        written = [staging.shard(s.source, s.split, s.shard, "report.json") for s in shards]
        sources = {each.plan.source for each in work}
        logs = [f"{staging.output}/rejected/{source}.jsonl" for source in sources]
        files.remove([*logs, *written, *refused])
