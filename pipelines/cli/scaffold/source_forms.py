"""Rows of a new source by task: the pieces of which `new_source.py` composes its files."""

from collections.abc import Mapping
from dataclasses import dataclass

CATEGORIES = {
    "caption": "image captioning",
    "caption_ocr": "image captioning with reading comprehension",
    "vqa": "image question answering",
    "vqa_ocr": "image question answering with reading comprehension",
    "multiple_choice": "visual reasoning",
    "question_generation": "image question generation",
    "statement": "visual reasoning",
    "classification": "image classification",
    "dialog": "visual conversational question answering",
    "video_qa": "video question answering",
    "conversation": "LLaVA-Instruct-150K",
    "yes_no": "visual reasoning",
    "class_label": "image classification",
}
"""The category of most sources of a task: a first guess for the card."""


@dataclass(frozen=True)
class Field:
    """One field of a row: its type, the example's argument, the value of the test.

    `check` is the condition that the test asserts of the record.
    """

    kind: str
    example: str
    toy: str
    check: str


def _line(name: str, toy: str) -> Field:
    """Return a field of required text."""
    example = f'{name}=required_text(clean_line(row.{name}), "{name}")'
    return Field("str", example, f'"{toy}"', f'record.{name} == "{toy}"')


_CAPTION = Field(
    "str",
    'captions=(required_text(clean_line(row.caption), "caption"),)',
    '"a red circle"',
    'record.captions == ("a red circle",)',
)
_OCR_TOKENS = Field(
    "list[str]",
    "ocr_tokens=tuple([clean_line(token) for token in row.ocr_tokens if token.strip()]) or None",
    '["STOP"]',
    'record.ocr_tokens == ("STOP",)',
)
_QUESTION = _line("question", "What color is the circle?")
_ANSWER = Field(
    "str",
    "answers=counted([row.answer])",
    '"red"',
    '[answer.text for answer in record.answers] == ["red"]',
)
_CHOICES = Field(
    "list[str]",
    'choices=tuple([required_text(clean_line(each), "choice") for each in row.choices])',
    '["blue", "red"]',
    'record.choices == ("blue", "red")',
)
_CORRECT = Field("int", "correct_choice=row.answer", "1", "record.correct_choice == 1")
_STATEMENT = _line("statement", "The circle is red.")
_TEXT = _line("text", "The circle is red.")
_LABEL = Field("bool", "label=row.label", "True", "record.label is True")
_RESPONSE = Field(
    "str",
    'response=required_text(clean_paragraphs(row.response), "response")',
    '"It is red."',
    'record.response == "It is red."',
)


@dataclass(frozen=True)
class Form:
    """The rows of a task. The first field is a text, which the test blanks.

    `target` is the target of the toy row.
    """

    fields: Mapping[str, Field]
    target: str


_ASKED = {"question": _QUESTION, "answer": _ANSWER}

FORMS = {
    "caption": Form({"caption": _CAPTION}, "a red circle"),
    "caption_ocr": Form({"caption": _CAPTION, "ocr_tokens": _OCR_TOKENS}, "a red circle"),
    "vqa": Form(_ASKED, "red"),
    "vqa_ocr": Form({**_ASKED, "ocr_tokens": _OCR_TOKENS}, "red"),
    "multiple_choice": Form(
        {"question": _QUESTION, "choices": _CHOICES, "answer": _CORRECT}, "red"
    ),
    "question_generation": Form(_ASKED, "What color is the circle?"),
    "statement": Form({"statement": _STATEMENT, "label": _LABEL}, "yes"),
    "classification": Form({"text": _TEXT, "label": _LABEL}, "yes"),
    "dialog": Form(_ASKED, "red"),
    "video_qa": Form(_ASKED, "red"),
    "conversation": Form({"question": _QUESTION, "response": _RESPONSE}, "It is red."),
    "yes_no": Form({"question": _QUESTION, "label": _LABEL}, "yes"),
    "class_label": Form(_ASKED, "red"),
}
