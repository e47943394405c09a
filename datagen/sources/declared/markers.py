"""Image markers: the text that stands for an image in a prompt, such as `<image>`."""

import re
from dataclasses import dataclass

from datagen.errors import Reason, RowRejectedError
from datagen.sources.declared.definition import Images


@dataclass(frozen=True)
class Markers:
    """Takes a marker out of texts and counts it; without a `text` there is none."""

    text: str | None
    counted: bool
    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, images: Images) -> "Markers":
        """Return the markers that a source file declares."""
        text = images.marker or None
        pattern = re.compile(rf"(\s*){re.escape(text)}(\s*)") if text else None
        return cls(text, images.count_markers, pattern)

    def take_out(self, text: str) -> tuple[str, int]:
        """Return a text without its markers, and how many there were.

        The blanks around a marker become one, or one line break if there was one; between two letters
        or digits one blank is put.
        """
        if self.text is None or self.text not in text:
            return text, 0
        assert self.pattern is not None
        number = text.count(self.text)
        for _ in range(number):  # one after the other, since the blanks around two may be shared
            text = self.pattern.sub(_joint, text, count=1)
        return text, number

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
        if self.text is not None and self.text in text:
            message = f"{column} holds the image marker {self.text}, which no answer can"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, message)


def _joint(found: re.Match[str]) -> str:
    blanks = found[1] + found[2]
    if "\n" in blanks or "\r" in blanks:
        return "\n"
    before, after = found.string[: found.start()], found.string[found.end() :]
    if blanks or (before[-1:].isalnum() and after[:1].isalnum()):
        return " "
    return ""
