"""Image markers: the text that stands for an image in a prompt, such as `<image>`."""

import re
from dataclasses import dataclass

from datagen.errors import Reason, RowRejectedError, UserError
from datagen.sources.declared.definition import Images

IMAGE = "{image}"
_STANDS_FOR = {"*": ".*?", IMAGE: "(.*?)"}


@dataclass(frozen=True)
class Markers:
    """Takes a marker out of texts and counts it; without a `text` there is none.

    A `*` in it stands for any characters of a line, and `{image}` for those that are the image's path:
    `Picture *: <img>{image}</img>`.
    """

    text: str | None
    counted: bool
    _beginning: str
    _pattern: re.Pattern[str]

    @property
    def hold_images(self) -> bool:
        """Return True if the marker itself names the image."""
        return self._pattern.groups > 0

    @classmethod
    def of(cls, images: Images) -> "Markers":
        """Return the markers that a source file declares.

        Raises:
            UserError: a marker begins with `*` or `{image}`, or has `{image}` twice or at its end.
        """
        text = images.marker or None
        parts = re.split(rf"(\*|{re.escape(IMAGE)})", text or "")
        if text is not None and not parts[0]:
            raise UserError(
                f"images.marker: {text!r} must begin with another character than * or {IMAGE}"
            )
        if parts.count(IMAGE) > 1 or (text or "").endswith(IMAGE):
            raise UserError(
                f"images.marker: {text!r} must have {IMAGE} once, and something behind it"
            )
        found = [_STANDS_FOR.get(part) or re.escape(part) for part in parts]
        return cls(text, images.count_markers, parts[0], re.compile("".join(found)))

    def take_out(self, text: str) -> tuple[str, list[str]]:
        """Return a text without its markers, and the image that each names, or the marker itself.

        The blanks around a marker become one, or one line break if there was one; between two letters
        or digits one blank is put.
        """
        if self.text is None or self._beginning not in text:
            return text, []
        without, end, named = "", 0, list[str]()
        for found in self._pattern.finditer(text):
            before = text[end : found.start()]
            without = _joined(without, before) if named else before
            end = found.end()
            named.append(found[found.re.groups].strip())
        return (_joined(without, text[end:]) if named else text), named

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
            message = f"{counted(found, 'marker')} {self.text} for {counted(num_images, 'image')}"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, message)

    def refuse_in(self, text: str, column: str) -> None:
        """Check a text that the model shall write.

        Raises:
            RowRejectedError: it holds a marker.
        """
        if self.are_in(text):
            message = f"{column} holds the image marker {self.text}, which no answer can"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, message)


def counted(number: int, name: str) -> str:
    """Return a number with the name of what is counted: 1 image, 2 images."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _joined(before: str, after: str) -> str:
    left, right = before.rstrip(), after.lstrip()
    blanks = before[len(left) :] + after[: len(after) - len(right)]
    if "\n" in blanks or "\r" in blanks:
        return f"{left}\n{right}"
    if blanks or (left[-1:].isalnum() and right[:1].isalnum()):
        return f"{left} {right}"
    return left + right
