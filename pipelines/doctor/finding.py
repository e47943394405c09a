"""A finding: the result of one check, with its remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem"]
"""`ok`; a `warning` is worth a look; a `problem` makes the job fail, or its result useless."""


@dataclass(frozen=True)
class Finding:
    """The result of a check of `subject`: what was found and, unless all is well, what to do about it."""

    check: str
    subject: str
    status: Status
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        assert self.status == "ok" or self.remedy, f"{self.check} {self.subject}: no remedy"


def worst(statuses: Iterable[Status]) -> Status:
    """Return the most serious of some statuses; `ok` if there is none."""
    order: tuple[Status, ...] = ("ok", "warning", "problem")
    return max(statuses, key=order.index, default="ok")


def size(num_bytes: float) -> str:
    """Return a number of bytes in MB or GB, for people.

    Examples:
        >>> size(1_540_000), size(72e9)
        ('1.5 MB', '72.0 GB')
    """
    for unit, name in ((1e12, "TB"), (1e9, "GB")):
        if num_bytes >= unit:
            return f"{num_bytes / unit:,.1f} {name}"
    return f"{num_bytes / 1e6:,.1f} MB"
