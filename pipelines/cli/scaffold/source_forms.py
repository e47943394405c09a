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
    """One field of a row: its type, the example's argument, the values of the writer and of the test.

    `check` is the condition that the test asserts of the record.
    """

    kind: str
    example: str
    drawn: str
    toy: str
    check: str


def _line(name: str, drawn: str, toy: str) -> Field:
    """Return a field of required text."""
    example = f'{name}=required_text(clean_line(row.{name}), "{name}")'
    return Field("str", example, drawn, f'"{toy}"', f'record.{name} == "{toy}"')


_CAPTION = Field(
    "str",
    'captions=(required_text(clean_line(row.caption), "caption"),)',
    "captions(scene, random, 1)[0]",
    '"a red circle"',
    'record.captions == ("a red circle",)',
)
_OCR_TOKENS = Field(
    "list[str]",
    "ocr_tokens=tuple([clean_line(token) for token in row.ocr_tokens if token.strip()]) or None",
    "[word.text for word in scene.words]",
    '["STOP"]',
    'record.ocr_tokens == ("STOP",)',
)
_QUESTION = _line("question", "question.text", "What color is the circle?")
_ANSWER = Field(
    "str",
    "answers=counted([row.answer])",
    "question.answer",
    '"red"',
    '[answer.text for answer in record.answers] == ["red"]',
)
_CHOICES = Field(
    "list[str]",
    'choices=tuple([required_text(clean_line(each), "choice") for each in row.choices])',
    "options",
    '["blue", "red"]',
    'record.choices == ("blue", "red")',
)
_CORRECT = Field("int", "correct_choice=row.answer", "answer", "1", "record.correct_choice == 1")
_STATEMENT = _line("statement", "statement.text", "The circle is red.")
_TEXT = _line("text", "statement.text", "The circle is red.")
_LABEL = Field("bool", "label=row.label", "statement.label", "True", "record.label is True")
_RESPONSE = Field(
    "str",
    'response=required_text(clean_paragraphs(row.response), "response")',
    "question.sentence",
    '"It is red."',
    'record.response == "It is red."',
)

_ASKED = ("question = ask(scene, random)[0]",)
_STATED = ("statement = about_objects(scene, random)[0]",)


@dataclass(frozen=True)
class Form:
    """The rows of a task. `prepare` are the writer's lines before it builds a row.

    The first field is a text; the test blanks it. `target` is the target of the toy row.
    """

    fields: Mapping[str, Field]
    target: str
    prepare: tuple[str, ...] = ()


FORMS = {
    "caption": Form({"caption": _CAPTION}, "a red circle"),
    "caption_ocr": Form({"caption": _CAPTION, "ocr_tokens": _OCR_TOKENS}, "a red circle"),
    "vqa": Form({"question": _QUESTION, "answer": _ANSWER}, "red", _ASKED),
    "vqa_ocr": Form(
        {"question": _QUESTION, "answer": _ANSWER, "ocr_tokens": _OCR_TOKENS}, "red", _ASKED
    ),
    "multiple_choice": Form(
        {"question": _QUESTION, "choices": _CHOICES, "answer": _CORRECT},
        "red",
        (*_ASKED, "options, answer = choices(question, random, 4)"),
    ),
    "question_generation": Form(
        {"question": _QUESTION, "answer": _ANSWER}, "What color is the circle?", _ASKED
    ),
    "statement": Form({"statement": _STATEMENT, "label": _LABEL}, "yes", _STATED),
    "classification": Form({"text": _TEXT, "label": _LABEL}, "yes", _STATED),
    "dialog": Form({"question": _QUESTION, "answer": _ANSWER}, "red", _ASKED),
    "video_qa": Form(
        {"question": _QUESTION, "answer": _ANSWER},
        "red",
        ("question = ask_about_clip(video.clip, random)[0]",),
    ),
    "conversation": Form({"question": _QUESTION, "response": _RESPONSE}, "It is red.", _ASKED),
    "yes_no": Form({"question": _QUESTION, "label": _LABEL}, "yes", (*_ASKED, *_STATED)),
    "class_label": Form({"question": _QUESTION, "answer": _ANSWER}, "red", _ASKED),
}
WRITER_IMPORTS = {
    "ask(": "datagen.sample.questions",
    "choices(": "datagen.sample.questions",
    "captions(": "datagen.sample.words",
    "about_objects(": "datagen.sample.statements",
    "ask_about_clip(": "datagen.sample.clip_questions",
}
"""The sample's functions that pieces call, and their modules."""
