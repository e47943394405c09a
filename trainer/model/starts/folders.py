"""Model folders in Hugging Face's layout: found, and their tensors read where they lie.

Tensors of safetensors files are mapped, not read: a model of 50 GB costs no memory until its values are
used, and then pages that the system can drop again. Models have no other weights than floating-point ones
here: integers are of a quantised model, whose scales we do not know.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from safetensors import safe_open
from torch import Tensor

from trainer.errors import ModelError

State = dict[str, Tensor]


def model_folder(place: str | Path, needed: str = "config.json") -> Path:
    """The folder itself, or the Hub's `owner/name` downloaded to the usual cache.

    Raises:
        ModelError: there is neither.
    """
    folder = Path(place)
    if folder.is_dir():
        if not (folder / needed).is_file():
            raise ModelError(f"{folder} holds no {needed}: it is no model folder")
        return folder
    text = str(place)
    if folder.is_absolute() or text.startswith(".") or text.count("/") != 1:
        raise ModelError(f"no such folder: {place}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        return Path(snapshot_download(text, ignore_patterns=["*.h5", "*.msgpack", "*.onnx"]))
    except HFValidationError as error:
        raise ModelError(f"no such folder: {place}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise ModelError(
            f"{place} is not a local folder, and could not be read from the Hub: {str(error).splitlines()[0]}"
        ) from error


def read_tensors(folder: Path) -> State:
    """All tensors of a folder's checkpoint by name, mapped from its files.

    Raises:
        ModelError: there are no weights, files are missing or damaged, or tensors are not of floats.
    """
    state: State = {}
    for path in _weight_files(folder):
        found = read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
        _check_floats(path, found)
        state.update(found)
    return state


def read_safetensors(path: Path) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # the library's own error class, and OSError
        raise ModelError(f"cannot read {path}: {error}; is it cut off?") from error


def read_pickle(path: Path) -> State:
    """Tensors of a `.bin` or `.pth` file; nothing but tensors and containers is unpickled.

    LAVIS's files hold them under `model`.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise ModelError(f"no such file: {path}") from error
    except Exception as error:  # of several kinds, depending on what is wrong
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True)  # the old format
        except Exception:
            first = str(error).splitlines()[0]
            raise ModelError(f"cannot read {path} as tensors: {first}") from error
    state = loaded.get("model", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} does not hold tensors by name")
    return cast(State, state)


def _check_floats(path: Path, state: State) -> None:
    """Old releases saved `position_ids`, which are integers and no weights."""
    for name, tensor in state.items():
        if not tensor.is_floating_point() and not name.endswith("position_ids"):
            raise ModelError(
                f"{path} holds {name} as {str(tensor.dtype).removeprefix('torch.')}, but weights must be floating point; "
                "is the model quantised? Use one that is not"
            )


def _indexed(index: Path) -> list[str]:
    """The names of the files that an index has."""
    try:
        read = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"cannot read {index}: {error}") from error
    found = read.get("weight_map") if isinstance(read, dict) else None
    names = list(found.values()) if isinstance(found, dict) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{index} has no `weight_map` from tensors to files")
    return sorted(set(names))


def _weight_files(folder: Path) -> Iterator[Path]:
    for index in sorted(folder.glob("*.index.json")):
        names = _indexed(index)
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise ModelError(f"{folder} lacks {', '.join(missing)}, which {index.name} names")
        yield from (folder / name for name in names)
        return
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if found := sorted(folder.glob(pattern)):
            yield from found
            return
    raise ModelError(f"{folder} holds no weights: neither *.safetensors nor pytorch_model*.bin")
