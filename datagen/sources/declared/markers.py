"""Image markers: the text that stands for an image in a prompt, such as `<image>`."""

import re
from dataclasses import dataclass

from datagen.errors import Reason, RowRejectedError, UserError
from datagen.sources.declared.definition import Images


@dataclass(frozen=True)
class Markers:
    """Takes a marker out of texts and counts it; without a `text` there is none.

    A `*` in it stands for any characters of a line: `<img>*</img>`.
    """

    text: str | None
    counted: bool
    _beginning: str
    _pattern: re.Pattern[str]

    @classmethod
    def of(cls, images: Images) -> "Markers":
        """Return the markers that a source file declares.

        Raises:
            UserError: a marker begins with `*`.
        """
        text = images.marker or None
        parts = (text or "").split("*")
        if text is not None and not parts[0]:
            raise UserError(f"images.marker: {text!r} must begin with another character than *")
        pattern = re.compile(".*?".join(map(re.escape, parts)))
        return cls(text, images.count_markers, parts[0], pattern)

    def take_out(self, text: str) -> tuple[str, int]:
        """Return a text without its markers, and how many there were.

        The blanks around a marker become one, or one line break if there was one; between two letters
        or digits one blank is put.
        """
        if self.text is None or self._beginning not in text:
            return text, 0
        first, *rest = self._pattern.split(text)
        for part in rest:
            first = _joined(first, part)
        return first, len(rest)

    def are_in(self, text: str) -> bool:
        """Return True if a text holds a marker."""
        if self.text is None or self._beginning not in text:
            return False
        return self._pattern.search(text) is not None

    def check(self, found: int, num_images: int) -> None:
        """Compare the number of markers in a row with that of its images; no marker at all is right.

        Raises:
            RowRejectedError: they differ.
        """
        if found and found != num_images and self.counted:
            message = f"{found} markers {self.text} for {num_images} images"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, message)

    def refuse_in(self, text: str, column: str) -> None:
        """Check a text that the model shall write.

        Raises:
            RowRejectedError: it holds a marker.
        """
        if self.are_in(text):
            message = f"{column} holds the image marker {self.text}, which no answer can"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, message)


def _joined(before: str, after: str) -> str:
    left, right = before.rstrip(), after.lstrip()
    blanks = before[len(left) :] + after[: len(after) - len(right)]
    if "\n" in blanks or "\r" in blanks:
        return f"{left}\n{right}"
    if blanks or (left[-1:].isalnum() and right[:1].isalnum()):
        return f"{left} {right}"
    return left + right
