"""What a raw folder remembers of downloads: which are complete, and which licences were accepted.

All of it lies in `RAW/.fetch/`: a JSON file a download, `licences.json`, and lock files.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datagen.files import locked_file, write_atomically
from datagen.schema.card import SourceCard
from datagen.schema.download import Download

FOLDER = ".fetch"


@dataclass(frozen=True)
class Record:
    """A download that is complete: `files` are its files below its folder, with their sizes in bytes."""

    url: str
    num_bytes: int
    sha256: str
    checked: str
    files: Mapping[str, int] = field(default_factory=dict)


def read_record(raw: Path, download: Download) -> Record | None:
    """Return the record of a download, None if there is none that can be read."""
    with suppress(OSError, ValueError, TypeError):
        return Record(**json.loads(_path(raw, download).read_bytes()))
    return None


def write_record(raw: Path, download: Download, record: Record) -> None:
    with write_atomically(_path(raw, download)) as file:
        file.write(json.dumps(asdict(record)).encode())


def forget_record(raw: Path, download: Download) -> None:
    _path(raw, download).unlink(missing_ok=True)


def lock_path(raw: Path, download: Download) -> Path:
    """Return the lock file of a download, in a folder that exists."""
    path = _path(raw, download).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _path(raw: Path, download: Download) -> Path:
    return raw / FOLDER / f"{download.path.replace('/', '+')}.json"


def licences(card: SourceCard) -> dict[str, str]:
    """Return the terms of a source as its card has them; what is not known says where to look."""
    unknown = f"not known, see {card.home.value}" if card.home.value else "not known"
    return {
        "licence": card.licence.value or unknown,
        "images": card.media_licence.value or unknown,
    }


def accepted(raw: Path, card: SourceCard) -> bool:
    """Return whether the terms of a source, as its card has them now, were accepted for this folder."""
    found = _accepted(raw).get(card.id)
    return isinstance(found, dict) and {
        key: value for key, value in found.items() if key != "accepted"
    } == licences(card)


def accept(raw: Path, *cards: SourceCard) -> None:
    """Remember that the terms of sources were accepted."""
    path = raw / FOLDER / "licences.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    today = datetime.now(UTC).date().isoformat()
    with locked_file(path.with_suffix(".lock")):
        found = _accepted(raw) | {card.id: {**licences(card), "accepted": today} for card in cards}
        with write_atomically(path) as file:
            file.write(json.dumps(found, indent=1).encode())


def _accepted(raw: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads((raw / FOLDER / "licences.json").read_bytes())
        if isinstance(found, dict):
            return found
    return {}
