"""Keys that a JSON object gives twice. Parsers keep the last value, so that nobody learns of the first."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from datagen.errors import Reason
from datagen.schema.adapter import Rejected

_encode = msgspec.json.Encoder().encode
_NOT_ENCODED = (TypeError, ValueError, OverflowError, RecursionError)


class RepeatedKeyError(Exception):
    """An object has a key twice."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key!r} is given twice; which value is meant?")


def repeated_key(raw: bytes, value: Any) -> Rejected | None:
    """Return the rejection of a row with a key that some object in it has twice, None if there is none.

    Args:
        raw: The row as it stands in the file.
        value: The row decoded, as which it has fewer keys than in `raw` if one was repeated.
    """
    # Texts have their colons in both, so one less is a key less. Counting costs a fraction of collecting keys.
    try:
        if raw.count(b":") == _encode(value).count(b":"):
            return None
    except _NOT_ENCODED:
        pass
    try:
        json.loads(raw, strict=False, object_pairs_hook=unique_object)
    except RepeatedKeyError as error:
        return Rejected(Reason.MALFORMED_ROW, str(error))
    except (ValueError, RecursionError):
        pass  # whoever decoded it was content
    return None


def may_repeat_keys(raw: bytes, values: Sequence[Any], keys: Sequence[str | None]) -> bool:
    """Return False if no row of many repeats a key; `keys` are those of the object that they are members of."""
    num_colons = _num_colons(list(values)) + _num_colons(list(keys)) + len(keys)
    return raw.count(b":") != num_colons


def _num_colons(value: Any) -> int:
    """Return how many colons a value has, written as JSON; -1 if it cannot be written."""
    try:
        return _encode(value).count(b":")
    except _NOT_ENCODED:
        return -1


def unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of its members, for `json.loads`.

    Raises:
        RepeatedKeyError: two have one key.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        raise RepeatedKeyError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found
