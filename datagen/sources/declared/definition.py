"""The language of source files: what a user may say about own data, as pydantic models.

The models check what can be said of the file alone. That files exist, columns are there and texts fit
is found when the data are read.
"""

import os
import re
from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from datagen.files import is_url
from templates.prompt_spec import TemplateContent

TaskName: TypeAlias = Literal[
    "caption",
    "vqa",
    "multiple_choice",
    "yes_no",
    "classification",
    "statement",
    "conversation",
    "document_vqa",
    "prompt",
]
Use: TypeAlias = Literal["train", "evaluate", "hidden", "ignore"]
FormatName: TypeAlias = Literal[
    "json",
    "jsonl",
    "csv",
    "tsv",
    "parquet",
    "arrow",
    "saved",
    "class_folders",
    "imagefolder",
    "webdataset",
]
OneOrMore: TypeAlias = str | list[str]

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True
    )


class Format(_Strict):
    """How rows lie in the files; `type` follows from the file's name unless given.

    `encoding` is never guessed. `header` names the columns of a CSV file that has none; `quote: ""`
    takes quotation marks as characters. `extra_cells: join` puts cells beyond the header's into the
    last column, with the delimiter.
    """

    type: FormatName | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str = "utf-8"
    quote: str = Field('"', max_length=1)
    header: list[str] | None = None
    extra_cells: Literal["reject", "join"] = "reject"


class Hub(_Strict):
    """A data set of the Hugging Face Hub, or a local copy of one as `repo`.

    `config` is its configuration, or, where each split is one of its own, the configurations by split.
    `files` are paths in the repository, or these by split, instead of those that its README.md lists.
    `splits` are those to read, and to download, of the splits that it has.
    """

    repo: str
    config: str | Mapping[str, str] | None = None
    revision: str | None = None
    files: OneOrMore | Mapping[str, OneOrMore] | None = None
    splits: list[str] | None = None

    @model_validator(mode="after")
    def _names_files_once(self) -> "Hub":
        if self.files is not None and self.config is not None:
            raise ValueError("give either files or config: a configuration is a list of files")
        return self


class Join(_Strict):
    """Rows of another file, found by a key: `{file: captions.json, rows: images, by: image_id}`.

    `by` is a column of both, or `{left: image_id, right: id}`. The row found is the column `name` of the
    left row, by default the last part of `rows`, else the file's stem. Keys are compared as text, so that
    7 finds "7". Without `file`, the rows are those of the left row's own file, at another place in it.
    `hub` instead of `file` takes the rows of a data set of the Hub.
    """

    file: OneOrMore | None = None
    hub: Hub | None = None
    rows: str | None = None
    by: str | Mapping[Literal["left", "right"], str]
    name: str | None = None
    many: bool = False
    format: Format = Format()

    @model_validator(mode="after")
    def _has_one_place(self) -> "Join":
        if self.file is not None and self.hub is not None:
            raise ValueError("give either file or hub")
        return self


def _check_pattern(pattern: str | None) -> str | None:
    if pattern is None:
        return None
    try:
        fields = [
            (name, spec, conversion) for _, name, spec, conversion in Formatter().parse(pattern)
        ]
    except ValueError as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}") from None
    for name, spec, conversion in fields:
        if name is None:
            continue
        if not name or re.search(r"[.\[\]]", name) or conversion or "{" in (spec or ""):
            raise ValueError(
                f"{pattern!r} is no pattern: write columns by their bare names, as in "
                "'scans/XR_{image_id:012d}.png'"
            )
    return pattern


Pattern: TypeAlias = Annotated[str | None, AfterValidator(_check_pattern)]
"""A text with columns in it, `XR_{image_id:05d}.png`; `{image}` is what `columns.image` gives, and
`{split}` the row's split, unless the row has a column of that name."""


class MediaPaths(_Strict):
    """Where files of images or videos lie and how rows name them.

    `root` is relative to the source file. `pattern` makes a path of columns:
    `scans/XR_{image_id:012d}.png`. `replace_prefix` maps the beginnings of other machines' paths, and of
    URLs that were downloaded, to folders below `root`: a prefix ends where a folder ends, and the longest
    counts. `separators: windows` takes backslashes as separators.
    """

    root: str = "."
    pattern: Pattern = None
    replace_prefix: Mapping[str, str] = Field(default_factory=dict)
    separators: Literal["posix", "windows"] = "posix"


class Images(MediaPaths):
    """Where images lie and how rows name them; for paths see `MediaPaths`, and `docs/reference/own_images.md`.

    `marker` is the text that stands for an image in a prompt, with `*` for any characters of a line and
    `{image}` for those that are the image's path, where the text alone names it; it is taken out, and its number must be that of the images if `count_markers`. `missing_column` says what becomes of a row without an image,
    `several` of one with more. `member` is the tar or zip archive, below `root` and with columns in it
    like a pattern (`shards/{shard}.tar`), of which the images are members by name. `same_as` is the column
    that identifies rows: an image that is the id of an earlier row means that row's image.
    """

    marker: str | None = "<image>"
    count_markers: bool = True
    missing_column: Literal["reject", "skip"] = "reject"
    several: Literal["keep", "first", "reject"] = "keep"
    member: Pattern = None
    same_as: str | None = None


class Videos(MediaPaths):
    """Where videos lie and how rows name them; rows may give `start` and `end` in seconds or hh:mm:ss."""


class Answers(_Strict):
    """What an answer is: never guessed.

    `is` is the answer's `text`, its `index` among the choices counted from `first`, its `letter`
    (A for the first choice) or the `key` of choices that are an object. `separator` parts a cell of
    choices, or of answers with `several`; without `several`, a list of answers is refused.
    `true_words` and `false_words` are the words for yes and no, compared without case. A truth value as an
    answer in words is refused unless they are given. `missing_words` stand for no answer.
    `lower` takes labels in lower case, so that OK and ok are one; `names` are what labels are called, such as
    `{0: cat, 1: dog}`, and a label without a name is refused.
    """

    is_: Literal["text", "index", "letter", "key"] = Field("text", alias="is")
    first: int = Field(0, ge=0)
    separator: str | None = None
    several: bool = True
    true_words: list[str] = Field(default_factory=lambda: ["yes", "true", "1"])
    false_words: list[str] = Field(default_factory=lambda: ["no", "false", "0"])
    missing_words: list[str] = Field(default_factory=list)
    lower: bool = False
    names: Mapping[str, str] = Field(default_factory=dict)


class Roles(_Strict):
    """Who speaks in the turns of a conversation."""

    role: str = "from"
    content: str = "value"
    user: list[str] = Field(default_factory=lambda: ["human", "user"])
    assistant: list[str] = Field(default_factory=lambda: ["gpt", "assistant"])
    system: list[str] = Field(default_factory=lambda: ["system"])


class Columns(_Strict):
    """Which column holds what: the name of a column, or a JMESPath expression over the row.

    A name that is a column of the row wins over its meaning as an expression. Beside the functions of
    JMESPath there are `split(text, separator)`, `replace(text, old, new)`, `trim`, `lower`, `upper`, and
    `zip(list, list)`, whose entries are pairs.
    """

    image: str | None = None
    video: str | None = None
    start: str | None = None
    end: str | None = None
    question: OneOrMore | None = None
    answers: str | None = None
    choices: OneOrMore | None = None
    context: str | None = None
    caption: str | None = None
    label: str | None = None
    statement: str | None = None
    ocr_tokens: str | None = None
    turns: str | None = None
    history: str | None = None
    system: str | None = None
    prompt: OneOrMore | None = None
    target: str | None = None
    id: str | None = None
    group: str | None = None
    split: str | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)


class HoldOut(_Strict):
    """A share of the rows for a split, chosen by the hash of the image (or another column)."""

    split: str = "val"
    share: float = Field(gt=0, lt=1)
    by: str = "image"
    seed: int = 0


class SplitList(_Strict):
    """A split given by a text file that lists, one a line, the values of a column."""

    list: str
    column: str = "image"


class Evaluation(_Strict):
    """How the evaluation splits are evaluated; defaults follow from the task.

    `prompt` is a template over the task's fields, `decode` gives options of generation, `metric` is one
    of `visinstruct metric --list`. `candidates: generate` generates where the task would rank.
    """

    prompt: str | None = None
    decode: Mapping[str, Any] = Field(default_factory=dict)
    metric: str | None = None
    candidates: Literal["generate"] | None = None


Text: TypeAlias = Annotated[str, Field(min_length=1)]


class Definition(_Strict):
    """One source, as its file says.

    `base`, the folder of that file, `split_names`, which are found in the data, and `folders`, where
    repositories of the Hub lie on this machine, are no part of what users write, nor of the source's
    identity. `own_templates` are those of the folders that `templates` names.

    See `docs/reference/source_files.md` for every key.
    """

    name: str
    title: str | None = None
    task: TaskName
    preset: str | None = None
    files: OneOrMore | Mapping[str, OneOrMore] | None = None
    hub: Hub | None = None
    format: Format = Format()
    rows: str | None = None
    join: Join | list[Join] = Field(default_factory=list)
    json_columns: OneOrMore = Field(default_factory=list, alias="json")
    python_lists: OneOrMore = Field(default_factory=list)
    each: OneOrMore | None = None
    columns: Columns = Columns()
    images: Images = Images()
    videos: Videos = Videos()
    answer: Answers = Answers()
    roles: Roles = Roles()
    question: str | None = None
    splits: Mapping[str, OneOrMore | SplitList] = Field(default_factory=dict)
    hold_out: HoldOut | None = None
    use: Mapping[str, Use] = Field(default_factory=dict)
    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    max_missing_images: float = Field(0.05, ge=0, le=1)
    licence: str | None = None
    home: str | None = None
    citation: str | None = None
    templates: OneOrMore | None = (
        None  # styles such as vqa.short_answer, or folders such as ./prompts
    )
    evaluation: Evaluation = Evaluation()
    base: str = Field(".", exclude=True)
    split_names: tuple[str, ...] = Field((), exclude=True)
    folders: Mapping[str, str] = Field(default_factory=dict, exclude=True)
    own_templates: tuple[TemplateContent, ...] = ()

    @field_validator("name")
    @classmethod
    def _is_an_id(cls, name: str) -> str:
        if NAME.fullmatch(name) is None:
            raise ValueError(
                f"{name!r} is no id: lower-case letters, digits and _, beginning with a letter"
            )
        return name

    @model_validator(mode="after")
    def _has_data(self) -> "Definition":
        if (self.files is None) == (self.hub is None):
            raise ValueError("give either files or hub")
        return self


def joins_of(definition: Definition) -> list[Join]:
    """Return the joins of a definition, be it one or a list."""
    return [definition.join] if isinstance(definition.join, Join) else definition.join


def joined_definition(definition: Definition, join: Join) -> Definition:
    """Return a definition whose data files are those that `definition` is joined with."""
    changes: dict[str, Any] = {"rows": join.rows}
    if join.file is not None or join.hub is not None:
        changes |= {"files": join.file, "hub": join.hub, "format": join.format}
    return definition.model_copy(update=changes)


def media_folder(definition: Definition, paths: MediaPaths) -> str:
    """Return the folder or URL that a source's images, or videos, are below."""
    if is_url(paths.root) or os.path.isabs(paths.root):
        return paths.root.rstrip("/") or "/"
    folder = f"{definition.base}/{paths.root}"
    return folder if is_url(folder) else os.path.normpath(folder)
