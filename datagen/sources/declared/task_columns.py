"""The columns that each task of a source file needs and may have."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from datagen.errors import nearest
from datagen.sources.declared.definition import Columns, Definition, TaskName
from datagen.sources.declared.markers import IMAGE


class TaskColumns(NamedTuple):
    """Groups of columns of which one is needed, and those that may be there."""

    needed: tuple[tuple[str, ...], ...]
    allowed: frozenset[str] = frozenset()


QUESTION = ("question",)
ANSWERS = ("answers",)

TASK_COLUMNS: Mapping[TaskName, TaskColumns] = {
    "caption": TaskColumns((("caption",),)),
    "vqa": TaskColumns((QUESTION, ANSWERS)),
    "multiple_choice": TaskColumns((QUESTION, ("choices",), ANSWERS), frozenset(["context"])),
    "yes_no": TaskColumns((QUESTION, ("answers", "label"))),
    "classification": TaskColumns((("label", "answers"),), frozenset(QUESTION)),
    "statement": TaskColumns((("statement",), ("label", "answers"))),
    "conversation": TaskColumns(
        (("turns", "prompt", "question"),), frozenset(["target", "answers", "history", "system"])
    ),
    "document_vqa": TaskColumns((QUESTION, ANSWERS), frozenset(["ocr_tokens"])),
    "prompt": TaskColumns((("prompt", "question"), ("target", "answers")), frozenset(["system"])),
}

SHARED = frozenset(["image", "video", "start", "end", "id", "group", "split", "tags"])
MAY_BE_ABSENT = frozenset(
    ["id", "group", "context", "ocr_tokens", "history", "system", "start", "end"]
)
"""Columns that a row, and a whole file, can do without."""
ANSWER_COLUMNS = frozenset(["answers", "label", "caption", "target"])
"""Columns that splits with hidden answers lack."""


def given_columns(definition: Definition) -> dict[str, tuple[str, ...]]:
    """Return the expressions of every column that a definition gives, tags left out."""
    columns = definition.columns
    found: dict[str, tuple[str, ...]] = {}
    for name in Columns.model_fields:
        value = getattr(columns, name)
        if name != "tags" and value:
            found[name] = (value,) if isinstance(value, str) else tuple(value)
    return found


def column_errors(definition: Definition) -> Iterator[str]:
    """Yield what is wrong with the columns that a definition gives, for its task."""
    task = TASK_COLUMNS[definition.task]
    given = set(given_columns(definition))
    if definition.question is not None:
        known = {name for group in task.needed for name in group} | task.allowed
        if "question" not in known:
            yield f"question: not used by task {definition.task}"
        elif "question" in given:
            yield "question: is the same for all rows, and columns.question is not; give one of them"
        else:
            given.add("question")
    for group in task.needed:
        if not given.intersection(group) and not (
            set(group) & ANSWER_COLUMNS and set(definition.use.values()) == {"hidden"}
        ):
            names = " or ".join(f"columns.{name}" for name in group)
            constant = ", or question for all rows" if "question" in group else ""
            yield f"columns: task {definition.task} needs {names}{constant}"
    if definition.task == "conversation" and not given & {"turns", "target", "answers"}:
        yield "columns: a conversation without columns.turns needs columns.target"
    used = SHARED | task.allowed | {name for group in task.needed for name in group}
    for name in sorted(given - used):
        hint = nearest(name, used)
        yield f"columns.{name}: not used by task {definition.task}{hint}"
    in_text = IMAGE in (definition.images.marker or "")
    if not given & {"image", "video"} and definition.images.pattern is None and not in_text:
        yield (
            "columns: columns.image, images.pattern, columns.video or {image} in images.marker must say "
            "where the image is"
        )
    if in_text and (given & {"image", "video"} or definition.images.pattern is not None):
        yield "images.marker: {image} in it says where the image is, and so does another key"
    texts = {"question", "prompt", "turns", "statement"} & set(given_columns(definition))
    if in_text and not texts:
        yield "images.marker: no column is a text that could hold {image}"
    if (definition.columns.start or definition.columns.end) and not definition.columns.video:
        yield "columns.start: start and end are those of a video, and columns.video is not given"
