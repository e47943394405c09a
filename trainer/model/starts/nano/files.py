"""The miniature model's files that come with this package, checked against their hashes.

`config.json` and `tokenizer.json` are in Hugging Face's form; `frozen.safetensors` holds the language
model and the image encoder, `stage2.safetensors` what captioning taught the Q-Former; weights are
stored in 16 bits. `nano.json` says how they were made (`visinstruct nano`) and names their hashes.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from trainer.errors import ModelError

RECORD = "nano.json"
FILES = ("config.json", "tokenizer.json", "frozen.safetensors", "stage2.safetensors")


@cache
def nano_folder() -> Path:
    """Return the folder of the shipped files, checked once a process.

    Raises:
        ModelError: a file is missing, or is not what was shipped.
    """
    folder = Path(__file__).parent
    check_files(folder)
    return folder


def nano_files(folder: Path | None) -> Path:
    """Return `folder`, or the shipped one for None."""
    return nano_folder() if folder is None else folder


def check_files(folder: Path) -> None:
    """Compare a nano folder's files with the hashes in its record.

    Raises:
        ModelError: a file is missing, or is not the one that the record names.
    """
    recorded = recorded_hashes(folder)
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise ModelError(f"the miniature model has no {path}: install the package anew")
        if file_hash(path) != recorded.get(name):
            raise ModelError(
                f"{path} is not the file that {RECORD} names: install the package anew, or make "
                "the files again with `visinstruct nano --out DIR`"
            )


def recorded_hashes(folder: Path) -> dict[str, str]:
    """Read the files' sha256 by name from the folder's record.

    Raises:
        ModelError: there is no record, or it cannot be read.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"no such file: {path}: make it with `visinstruct nano --out DIR`"
        ) from None
    except ValueError as error:
        raise ModelError(f"{path} is no JSON file: {error}") from None
    hashes = record.get("sha256") if isinstance(record, dict) else None
    if not isinstance(hashes, dict):
        raise ModelError(f"{path} names no hashes: make it with `visinstruct nano --out DIR`")
    return {str(name): str(value) for name, value in hashes.items()}


def file_hash(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
