"""Conversations: from messages with roles to one example a turn of the assistant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from datagen.errors import Reason, RowRejectedError, nearest
from datagen.schema.adapter import Filtered
from datagen.schema.example import Turn
from datagen.sources.declared.answers import Warn
from datagen.sources.declared.definition import Roles
from datagen.sources.declared.markers import Markers
from datagen.sources.declared.values import (
    is_missing,
    kind_of,
    not_a_text,
    paragraphs_of,
    required,
    shown,
)
from datagen.text import speaker_marker

Speaker: TypeAlias = Literal["user", "assistant", "system"]


class Message(NamedTuple):
    """What one speaker says, less the markers in it; `marked` holds the image that each named, or itself."""

    speaker: Speaker
    text: str
    marked: Sequence[str] = ()


class TurnExample(NamedTuple):
    """A turn as the fields of an example, with the images that were shown up to it."""

    number: int
    fields: dict[str, Any]
    images: list[Any]


class TurnReader:
    """Reads the messages of a conversation, and makes examples of its turns."""

    def __init__(self, roles: Roles, markers: Markers) -> None:
        self.roles, self.markers = roles, markers
        self._speakers: dict[str, Speaker] = {}
        groups: Sequence[tuple[list[str], Speaker]] = (
            (roles.user, "user"), (roles.assistant, "assistant"), (roles.system, "system"),
        )  # fmt: skip
        for names, speaker in groups:
            self._speakers |= {name.strip().casefold(): speaker for name in names}

    def messages(self, value: Any, column: str) -> list[Message | RowRejectedError]:
        """Return the messages in a value, each of them or why it cannot be used.

        A message is an object with a role and a content, or a pair of a question and its answer.

        Raises:
            RowRejectedError: the value is no list, or an empty one.
        """
        if not isinstance(value, list) or not value:
            if is_missing(value) or value in ("", []):
                raise RowRejectedError(Reason.EMPTY_TEXT, f"{column} has no turns")
            what = f"{column} is {kind_of(value)} where a list of turns is due: {shown(value)}"
            raise RowRejectedError(Reason.MALFORMED_ROW, what)
        found: list[Message | RowRejectedError] = []
        for number, each in enumerate(value, start=1):
            try:
                found += self._message(each, f"message {number} of {column}")
            except RowRejectedError as error:
                found.append(error)
        return found

    def message(self, speaker: Speaker, value: Any, column: str) -> Message:
        """Return a message of text, without image markers if the user says it.

        Raises:
            RowRejectedError: it is blank, no text, or holds what parts speakers in chat formats.
        """
        text, marked = paragraphs_of(value, column), list[str]()
        if speaker == "user":
            text, marked = self.markers.take_out(text)
            text = text.strip()
        if speaker == "system" and not text:
            return Message(speaker, "")
        required(text, value, column)
        if speaker == "assistant":
            self.markers.refuse_in(text, column)
        part = speaker_marker(text)
        if part is not None:
            message = f"{column} holds the speaker marker {part!r}"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, message)
        return Message(speaker, text, marked)

    def _message(self, value: Any, column: str) -> Iterator[Message]:
        if isinstance(value, list | tuple) and len(value) == 2:
            yield self.message("user", value[0], column)
            yield self.message("assistant", value[1], column)
            return
        if not isinstance(value, Mapping):
            what = f"{column} is {kind_of(value)}, not an object with {self.roles.role} and {self.roles.content}"
            raise RowRejectedError(Reason.MALFORMED_ROW, what)
        for key in (self.roles.role, self.roles.content):
            if key not in value:
                known = ", ".join(map(str, value))
                hint = nearest(key, map(str, value)) or f"; it has {known}"
                raise RowRejectedError(Reason.MALFORMED_ROW, f"{column} has no key {key!r}{hint}")
        role = value[self.roles.role]
        speaker = self._speakers.get(role.strip().casefold() if isinstance(role, str) else "")
        if speaker is None:
            known = ", ".join([*self.roles.user, *self.roles.assistant, *self.roles.system])
            what = f"{column} has the role {shown(role)}, known are {known}"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, what)
        yield self.message(speaker, self._content(value[self.roles.content], column), column)

    def _content(self, value: Any, column: str) -> Any:
        """Return a content's text; of a list of texts and images, the texts with markers between them."""
        if not isinstance(value, list):
            return value
        texts = []
        for each in value:
            if isinstance(each, Mapping) and isinstance(each.get("text"), str):
                texts.append(each["text"])
            elif isinstance(each, Mapping) and str(each.get("type", "")).startswith("image"):
                texts.append(self.markers.text or "")
            elif isinstance(each, str):
                texts.append(each)
            else:
                raise not_a_text(each, column)
        return "\n".join(texts)

    def examples(
        self,
        messages: list[Message | RowRejectedError],
        images: list[Any] | None,
        hidden: bool,
        warn: Warn,
    ) -> Iterator[TurnExample | tuple[int, RowRejectedError | Filtered]]:
        """Yield an example for each answer of the assistant, with the turns before it as its dialog.

        What follows a turn that cannot be used builds on it, and is rejected too. Where the row has as
        many markers as `images`, a turn has the images shown up to it; None stands for images that are
        not known yet.

        Raises:
            RowRejectedError: the number of markers is not that of the images.
        """
        messages = self._without_system(messages, warn)
        num_markers = sum(len(each.marked) for each in messages if isinstance(each, Message))
        if images is not None:
            self.markers.check(num_markers, len(images))
        shown_by_turn = self.markers.counted and images is not None and num_markers > 0
        dialog: list[Turn] = []
        broken, seen = "", 0
        for number, start in enumerate(range(0, len(messages), 2), start=1):
            try:
                if broken:
                    raise RowRejectedError(Reason.INCONSISTENT_ROW, broken)
                question, answer = _pair(messages[start : start + 2], hidden)
            except RowRejectedError as error:
                broken = broken or f"turn {number}, before it, cannot be used"
                yield number, error
                continue
            seen += len(question.marked)
            given = (images or [])[:seen] if shown_by_turn else list(images or [])
            if images and not given:
                yield number, Filtered("no image was shown up to this turn")
            else:
                fields = {
                    "question": question.text,
                    "response": answer,
                    "dialog": tuple(dialog) or None,
                }
                yield TurnExample(number, fields, given)
            dialog.append(Turn(question.text, answer or ""))

    def _without_system(
        self, messages: list[Message | RowRejectedError], warn: Warn
    ) -> list[Message | RowRejectedError]:
        """Return the messages less those of the system at the beginning, of which a text is reported."""
        start = 0
        for each in messages:
            if not isinstance(each, Message) or each.speaker != "system":
                break
            start += 1
            if each.text:
                warn("system_turn", f"the system's text is left out: {shown(each.text)}")
        return messages[start:]


def _pair(
    messages: Sequence[Message | RowRejectedError], hidden: bool
) -> tuple[Message, str | None]:
    """Return a question and its answer, None where it is hidden.

    Raises:
        RowRejectedError: one of them cannot be used, or others speak.
    """
    for each in messages:
        if isinstance(each, RowRejectedError):
            raise each
    said = [each for each in messages if isinstance(each, Message)]
    speakers = [each.speaker for each in said]
    if speakers == ["user"]:
        if hidden:
            return said[0], None
        raise RowRejectedError(Reason.NO_ANSWERS, "a question without an answer")
    if speakers != ["user", "assistant"]:
        pairs = " and ".join(speakers)
        what = f"messages of {pairs} where one of user and one of assistant are due"
        raise RowRejectedError(Reason.INCONSISTENT_ROW, what)
    return said[0], said[1].text
