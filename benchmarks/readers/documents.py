"""The two documents that are read, and what is wanted of each."""

from dataclasses import dataclass

import msgspec


class AnnotatorAnswer(msgspec.Struct, gc=False):
    answer: str


class Annotation(msgspec.Struct, gc=False):
    question_id: int
    image_id: int
    answers: list[AnnotatorAnswer]
    question_type: str
    answer_type: str


class Caption(msgspec.Struct, gc=False):
    url: str
    caption: str


@dataclass(frozen=True)
class Document:
    """A file whose rows are the array at `path`, and the type of a row; `key` names one by text."""

    file: str
    path: tuple[str, ...]
    row: type[msgspec.Struct]
    key: str


DOCUMENTS = {
    "long": Document(
        "vqav2/v2_mscoco_train2014_annotations.json", ("annotations",), Annotation, "question_id"
    ),
    "short": Document("web_capfilt.json", (), Caption, "url"),
}
