"""The errors that a user can cause, and the closed list of reasons why a row is not used."""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum


class UserError(ValueError):
    """Something that the user can mend; the message says what, where and how."""


class RawDataError(UserError):
    """A publisher's file that cannot be used as a whole: missing, cut off, of another dataset."""


class OutputError(UserError):
    """An output folder that cannot be written, or holds something else."""


class StoreError(UserError):
    """A store that refuses, does not answer, or holds something else; never an object that is missing."""


class OptionError(UserError):
    """An option that is unknown or contradicts another."""


class RowFailedError(UserError):
    """A row that the code failed on, which is a bug of the code; the message holds the row."""


class Reason(StrEnum):
    """Why a row was rejected. Every manifest counts by these names."""

    MALFORMED_ROW = "malformed_row"  # not JSON, or a field is absent or of another type
    INVALID_ENCODING = "invalid_encoding"  # text that is not UTF-8
    EMPTY_TEXT = "empty_text"  # a text that an example cannot do without is blank
    TEXT_TOO_LONG = "text_too_long"
    NO_ANSWERS = "no_answers"
    NO_ANNOTATION = "no_annotation"  # a question whose annotation is not in its file
    NO_QUESTION = "no_question"  # an annotation whose question is not in its file
    INCONSISTENT_ROW = "inconsistent_row"  # two files, or two fields, contradict each other
    INDEX_OUT_OF_RANGE = "index_out_of_range"  # a choice or a table entry that does not exist
    DUPLICATE_ID = "duplicate_id"
    UNSAFE_PATH = "unsafe_path"  # absolute, or leads out of its collection
    MEDIA_MISSING = "media_missing"
    MEDIA_EMPTY = "media_empty"
    MEDIA_TRUNCATED = "media_truncated"
    MEDIA_UNREADABLE = "media_unreadable"
    MEDIA_TOO_LARGE = "media_too_large"
    NO_TEMPLATE = "no_template"  # no template fits the fields that the example has
    TEMPLATE_FAILED = "template_failed"  # the drawn template fails on the example's fields
    UNKNOWN_SPLIT = "unknown_split"
    NO_IMAGE = "no_image"  # a row that names no image or video
    REMOTE_MEDIA = "remote_media"  # an image given by a URL
    UNKNOWN_LABEL = "unknown_label"
    TRUNCATED_FILE = "truncated_file"  # a file is cut off or corrupt from this place on


class RowRejectedError(Exception):
    """Raised by an adapter: this row cannot be used, for this reason."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the known name most like `name`, or nothing."""
    similar = get_close_matches(name, list(known), n=1)
    return f", did you mean {similar[0]!r}?" if similar else ""
