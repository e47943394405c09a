"""A record: one row of the Parquet files, an example with its rendered instruction.

The columns are those of `SCHEMA`, the same for every source, so that all files can be read as one
table. What an example does not have is null.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import pyarrow as pa
from msgspec import Struct

from datagen.schema.answers import Answer
from datagen.schema.example import Example, Turn

ImageMode: TypeAlias = Literal["reference", "embed"]
Bytes: TypeAlias = bytes

_STRINGS = pa.list_(pa.string())
_ANSWERS = pa.list_(pa.struct([("text", pa.string()), ("count", pa.int32())]))
_TURNS = pa.list_(pa.struct([("question", pa.string()), ("answer", pa.string())]))
_TAGS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
_IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
_VIDEO = pa.struct([("path", pa.string()), ("frame_times", pa.list_(pa.float32()))])

SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),  # the example's id
        ("source", pa.string()),
        ("split", pa.string()),
        ("task", pa.string()),
        ("group_id", pa.string()),
        ("template_id", pa.string()),  # or `protocol/<source>` in evaluation splits
        ("instruction", pa.string()),
        ("target", pa.string()),  # null where the answers are hidden
        ("references", _STRINGS),  # what a prediction is scored against
        ("candidates", _STRINGS),  # what it is ranked among, where that differs by record
        ("images", _IMAGES),
        ("video", _VIDEO),
        ("licence", pa.string()),
        ("weight", pa.float64()),  # relative; null where nothing is trained on
        ("question", pa.string()),
        ("answers", _ANSWERS),
        ("raw_answers", _ANSWERS),
        ("choices", _STRINGS),
        ("correct_choice", pa.int32()),
        ("context", pa.string()),
        ("ocr_tokens", _STRINGS),
        ("dialog", _TURNS),
        ("captions", _STRINGS),
        ("label", pa.bool_()),
        ("statement", pa.string()),
        ("text", pa.string()),
        ("response", pa.string()),
        ("relevance", pa.list_(pa.float32())),
        ("tags", _TAGS),
    ]
)

DICTIONARY_COLUMNS = ["source", "split", "task", "template_id", "licence"]


class Image(Struct, frozen=True):
    """An image: `<collection>/<relative path>`, and its bytes where they are embedded."""

    path: str
    bytes: Bytes | None = None


class Video(Struct, frozen=True):
    """A video and the times, in seconds, of its frames; None if it was missing when the dataset was built."""

    path: str
    frame_times: tuple[float, ...] | None = None


class Record(Struct, frozen=True, kw_only=True):
    """One row, as Python values. Fields are documented at `Example` and `SCHEMA`."""

    record_id: str
    source: str
    split: str
    task: str
    group_id: str
    template_id: str
    instruction: str
    target: str | None = None
    references: tuple[str, ...] | None = None
    candidates: tuple[str, ...] | None = None
    images: tuple[Image, ...] | None = None
    video: Video | None = None
    licence: str | None = None
    weight: float | None = None
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
    relevance: tuple[float, ...] | None = None
    tags: Mapping[str, str] | None = None

    def example(self) -> Example:
        """Return the example that this record renders, so that other draws of it can be rendered."""
        shared = {name: getattr(self, name) for name in EXAMPLE_COLUMNS}
        return Example(
            example_id=self.record_id,
            images=None if self.video else tuple(image.path for image in self.images or ()),
            video=self.video.path if self.video else None,
            **shared,
        )


EXAMPLE_COLUMNS = (
    "source",
    "split",
    "task",
    "group_id",
    "candidates",
    "question",
    "answers",
    "raw_answers",
    "choices",
    "correct_choice",
    "context",
    "ocr_tokens",
    "dialog",
    "captions",
    "label",
    "statement",
    "text",
    "response",
    "relevance",
    "tags",
)
"""The columns that an `Example` has under the same name."""


def file_schema(images: ImageMode) -> pa.Schema:
    """Return `SCHEMA` with the metadata by which `datasets` knows that `images` are images."""
    features = {field.name: _feature(field.type) for field in SCHEMA}
    image: dict[str, Any] = {"_type": "Image"}
    if images == "reference":
        image["decode"] = False
    features["images"] = [image]
    return SCHEMA.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> Any:
    """Return an Arrow type in the notation of `datasets.Features`."""
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    names = {"float": "float32", "double": "float64"}
    return {"_type": "Value", "dtype": names.get(str(kind), str(kind))}
