"""The normal form of one example, before any template."""

from collections.abc import Mapping

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.answers import Answer
from templates.tasks import TASKS

MAX_TEXT_CHARS = 32_768
"""Longer fields are refused: no source has them, and no template could render them."""


class Turn(Struct, frozen=True):
    """A question and its answer, earlier in the same dialog."""

    question: str
    answer: str


class Example(Struct, frozen=True, kw_only=True, gc=False):
    """One caption, question, statement, round or turn, with all that its publisher gives for it.

    `example_id` is `<source>/<split>/<native id>[#suffix]`. `group_id` names the image, video or
    dialog that several examples share, by one name across sources, so that errors can be clustered
    and leaks found. Media are `<collection>/<relative path>`; a video may be clipped to `clip`
    seconds. An absent field is None, never an empty string or list; hidden answers are None.

    Equal answers are counted in `answers`, in the order in which they first occur.
    """

    example_id: str
    source: str
    split: str
    task: str
    group_id: str
    images: tuple[str, ...] | None = None
    video: str | None = None
    clip: tuple[float, float] | None = None
    question: str | None = None
    answers: tuple[Answer, ...] | None = None
    raw_answers: tuple[Answer, ...] | None = None
    choices: tuple[str, ...] | None = None
    correct_choice: int | None = None
    context: str | None = None
    ocr_tokens: tuple[str, ...] | None = None
    dialog: tuple[Turn, ...] | None = None
    captions: tuple[str, ...] | None = None
    label: bool | None = None
    statement: str | None = None
    text: str | None = None
    response: str | None = None
    candidates: tuple[str, ...] | None = None
    relevance: tuple[float, ...] | None = None
    tags: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        assert self.task in TASKS, self.task
        assert (self.images is None) != (self.video is None), "an example has images or a video"
        options = self.candidates or self.choices
        if self.correct_choice is not None and (
            options is None or not 0 <= self.correct_choice < len(options)
        ):
            raise RowRejectedError(
                Reason.INDEX_OUT_OF_RANGE,
                f"choice {self.correct_choice} of {len(options or ())} options",
            )


def required_text(text: str | None, name: str) -> str:
    """Return `text`, cleaned by `datagen.text`, if it is not empty.

    Raises:
        RowRejectedError: it is None or empty, as a blank text is once it is cleaned, or longer than `MAX_TEXT_CHARS`.
    """
    if not text:
        raise RowRejectedError(Reason.EMPTY_TEXT, f"{name} is empty")
    if len(text) > MAX_TEXT_CHARS:
        raise RowRejectedError(
            Reason.TEXT_TOO_LONG, f"{name} has {len(text)} characters, {MAX_TEXT_CHARS} are allowed"
        )
    return text


def present(**tags: object) -> dict[str, str] | None:
    """Return the tags that have a value, as text; None if there are none."""
    return {name: str(value) for name, value in tags.items() if value not in (None, "")} or None
