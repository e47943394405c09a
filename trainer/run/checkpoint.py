"""Checkpoints: three files that any world size and any ZeRO stage can resume from.

    RUN/checkpoints/step-00003000/
        trained.safetensors      fp32 weight of every trained parameter, by name
        optimizer.safetensors    both Adam moments: `<name>/exp_avg`, `<name>/exp_avg_sq`
        state.json               written last: step, sample number, fingerprint of the run, digests

Nothing is pickled. A folder is written under a temporary name and renamed when it is complete. Digests cover every
byte, so that later corruption is noticed. The state of the data is the number of the next sample, and random
numbers are a function of (seed, step, rank): there is no other state.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from datagen.files import TEMPORARY_SUFFIX, LocalFiles, hash_file
from trainer.errors import CheckpointError

VERSION = 1
WEIGHTS, MOMENTS, STATE = "trained.safetensors", "optimizer.safetensors", "state.json"
FOLDER, CONFIG = "checkpoints", "config.yaml"
"""In a run's folder: its checkpoints, and its configuration."""

State = Mapping[str, Mapping[str, Tensor]]
"""By parameter: `weight`, `exp_avg` and `exp_avg_sq`, all fp32."""


class RunState(Struct, frozen=True, kw_only=True, rename={"fingerprint": "made_of"}):
    """A run's state. `next_sample` is k; `fingerprint` (`made_of` in the file) must be the same to resume.

    `best` is the validation of the best checkpoint so far, `validation` what was measured at this step.
    `files` are the sizes in bytes of the two tensor files, `digests` the sha256 of all three; that of the state
    file is of its content without it. Older checkpoints have none. `replaced` counts samples whose image
    could not be read; `skipped` are ranges of steps that were not trained.
    """

    version: int = VERSION
    step: int
    next_sample: int
    replaced: int
    fingerprint: Mapping[str, Any]
    files: Mapping[str, int]
    validation: dict[str, float] | None = None
    best: dict[str, float] | None = None
    versions: Mapping[str, str] = {}
    digests: Mapping[str, str] = {}
    skipped: tuple[tuple[int, int], ...] = ()


def step_folder(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


def save(folder: Path, state: State, run: RunState) -> Path:
    """Write the checkpoint of `run.step` below `folder`; called by the first process alone.

    Raises:
        CheckpointError: there is no space left, or the disk refuses; older checkpoints stay as they were.
    """
    target = step_folder(folder, run.step)
    unfinished = target.with_name(target.name + TEMPORARY_SUFFIX)
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        weights = {name: tensors["weight"].contiguous() for name, tensors in state.items()}
        moments = {
            f"{name}/{key}": tensors[key].contiguous()
            for name, tensors in state.items()
            for key in ("exp_avg", "exp_avg_sq")
        }
        save_file(weights, unfinished / WEIGHTS)
        save_file(moments, unfinished / MOMENTS)
        _follow_umask(unfinished, WEIGHTS, MOMENTS)
        found = {
            name: hash_file(LocalFiles(), str(unfinished / name)) for name in (WEIGHTS, MOMENTS)
        }
        whole = msgspec.structs.replace(
            run,
            files={name: size for name, (size, _) in found.items()},
            digests={name: digest for name, (_, digest) in found.items()},
        )
        (unfinished / STATE).write_bytes(_encode(_with_own_digest(whole)))
        for name in (WEIGHTS, MOMENTS, STATE):
            _sync(unfinished / name)
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        full = getattr(error, "errno", None) in (
            errno.ENOSPC,
            errno.EDQUOT,
        ) or "os error 28" in str(error)
        why = "no space left on the disk" if full else str(error)
        raise CheckpointError(
            f"the checkpoint of step {run.step} could not be written to {target}: {why}; earlier "
            "checkpoints are intact; free some space and start the same command again"
        ) from error
    return target


def _follow_umask(folder: Path, *names: str) -> None:
    """Give files the mode that new files have: safetensors lets only their owner read them."""
    mode = folder.stat().st_mode & 0o666
    for name in names:
        (folder / name).chmod(mode)


def _encode(run: RunState) -> bytes:
    return msgspec.json.format(msgspec.json.encode(run, order="deterministic"), indent=1) + b"\n"


def _with_own_digest(run: RunState) -> RunState:
    """Add the digest of everything else in the state."""
    others = {name: digest for name, digest in run.digests.items() if name != STATE}
    bare = msgspec.structs.replace(run, digests=others)
    own = hashlib.sha256(_encode(bare)).hexdigest()
    return msgspec.structs.replace(run, digests=others | {STATE: own})


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checkpoints(folder: Path) -> Iterator[Path]:
    """Yield the finished checkpoints below `folder`, newest first."""
    yield from sorted(
        (path for path in folder.glob("step-*") if path.name[5:].isdigit()), reverse=True
    )


def chosen_checkpoint(folder: Path) -> Path:
    """Return the folder itself if it is a checkpoint, else the best or newest one of a run; checks the weights.

    Raises:
        CheckpointError: there is none, or its weights are not those that were written.
    """
    inside = folder / FOLDER
    if (folder / STATE).is_file():
        chosen = folder.resolve()
    elif (inside / "best" / STATE).is_file():
        chosen = (inside / "best").resolve()
    elif last := next(checkpoints(inside), None):
        chosen = last
    else:
        raise CheckpointError(f"{folder} is not a checkpoint, and holds no {FOLDER}/step-*")
    check_digests(chosen, [WEIGHTS])
    return chosen


def newest(folder: Path, report: list[str]) -> Path | None:
    """Return the newest intact checkpoint; `report` receives a sentence for each newer one that is not."""
    for path in checkpoints(folder):
        try:
            check_digests(path)
            return path
        except CheckpointError as error:
            report.append(str(error))
    return None


def check_digests(path: Path, names: Sequence[str] = (WEIGHTS, MOMENTS)) -> None:
    """Read files of a checkpoint and compare their digests; those of older checkpoints are not known.

    Raises:
        CheckpointError: it is damaged, incomplete or of another version; names the file.
    """
    known = read_run_state(path).digests
    for name, digest in ((name, known[name]) for name in names if name in known):
        try:
            _, actual = hash_file(LocalFiles(), str(path / name))
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {name}: {error.strerror}") from None
        if actual != digest:
            raise CheckpointError(
                f"{path} is not an intact checkpoint: {name} has sha256 {actual[:12]}.., not {digest[:12]}.. as written: "
                "it changed since; check the disk"
            )


def read_run_state(path: Path) -> RunState:
    """Read and check the state file of a checkpoint; of the tensor files, only the sizes are checked.

    Raises:
        CheckpointError: it is damaged, incomplete or of another version.
    """
    try:
        data = (path / STATE).read_bytes()
        version = msgspec.json.decode(data, type=_Versioned).version
        if version != VERSION:
            raise CheckpointError(
                f"{path} is of version {version}, this visinstruct reads {VERSION}; use the visinstruct "
                "that wrote it"
            )
        run = msgspec.json.decode(data, type=RunState)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not an intact checkpoint: {error}") from None
    if STATE in run.digests and _with_own_digest(run).digests[STATE] != run.digests[STATE]:
        raise CheckpointError(
            f"{path} is not an intact checkpoint: {STATE} changed since it was written"
        )
    for name, size in run.files.items():
        file = path / name
        actual = file.stat().st_size if file.exists() else None
        if actual != size:
            found = "missing" if actual is None else f"{actual:,} bytes long, not {size:,}"
            raise CheckpointError(f"{path} is not an intact checkpoint: {name} is {found}")
    return run


def read_tensors(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read the fp32 weights and moments of a checkpoint, on the CPU.

    Raises:
        CheckpointError: a file is damaged.
    """
    try:
        weights, moments = load_file(path / WEIGHTS), load_file(path / MOMENTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    state = {name: {"weight": weight} for name, weight in weights.items()}
    for key, moment in moments.items():
        name, _, part = key.rpartition("/")
        if name not in state:
            raise CheckpointError(f"{path} has moments of {name}, but no weight")
        state[name][part] = moment
    for name, tensors in state.items():
        if len(tensors) != 3 or any(t.dtype != torch.float32 for t in tensors.values()):
            raise CheckpointError(f"{path}: {name} lacks a moment, or is not fp32")
    return state


def check_same(saved: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> str | None:
    """Check that a run with the fingerprint `now` may resume from a checkpoint with `saved`.

    Returns a sentence to log if `optimizer.steps` was raised, the one change that is allowed.

    Raises:
        CheckpointError: names everything that changed.
    """
    before, after = (made.get("optimizer", {}).get("steps", 0) for made in (saved, now))
    raised = after > before > 0
    if raised:
        saved = {**saved, "optimizer": {**saved["optimizer"], "steps": after}}
    changes = list(_changes(saved, now))
    if changes:
        raise CheckpointError(
            f"{path} is a checkpoint of another run: {'; '.join(changes)}. "
            "Restore these, or set `output` to another folder to start a new run"
        )
    if not raised:
        return None
    return (
        f"optimizer.steps was {before:,}, is {after:,}: from here on the learning rate follows the longer schedule, "
        "another one than a run of that length has had from its start"
    )


def _changes(saved: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for key in sorted(saved.keys() | now.keys()):
        before, after = saved.get(key), now.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{place}{key}.")
        elif before != after:
            yield f"{place}{key} was {_shown(before)}, is {_shown(after)}"


def _shown(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}.." if len(text) == 64 and " " not in text else text


def mark_best(folder: Path, path: Path) -> None:
    """Make `best` a link to the checkpoint `path`."""
    link = folder / f"best{TEMPORARY_SUFFIX}"
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
    link.replace(folder / "best")


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints and the best, and unfinished ones of killed runs."""
    best = (folder / "best").resolve()
    for path in list(checkpoints(folder))[keep:]:
        if path.resolve() != best:
            shutil.rmtree(path)
    for path in folder.glob(f"step-*{TEMPORARY_SUFFIX}"):
        shutil.rmtree(path, ignore_errors=True)


class _Versioned(Struct):
    version: int
