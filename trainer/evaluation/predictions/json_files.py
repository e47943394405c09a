"""JSON files of an evaluation: written whole, read with clear errors."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from datagen.files import LocalFiles
from trainer.errors import EvaluationError


class Versioned(Struct, frozen=True, kw_only=True):
    """A file that begins with the version of its own layout."""

    schema_version: int


V = TypeVar("V", bound=Versioned)


def write_json(path: Path, value: Any) -> None:
    """Write a file that appears whole or not at all."""
    encoded = msgspec.json.format(msgspec.json.encode(value), indent=1)
    with LocalFiles().create(str(path)) as file:
        file.write(encoded + b"\n")


def read_json(path: Path, kind: type[V], version: int, *, absent: str, remedy: str) -> V:
    """Read a file as a `kind` of `version`; `absent` is the message if it is missing, `remedy` ends that of a corrupt one.

    Raises:
        EvaluationError: it is missing, corrupt, or of another version.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise EvaluationError(absent) from None
    try:
        found = msgspec.json.decode(data, type=Versioned).schema_version
        if found != version:
            raise EvaluationError(
                f"{path} has schema version {found}, this visinstruct reads {version}"
            )
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} is corrupt: {error}; {remedy}") from None
