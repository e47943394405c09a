"""Compiles a definition to the `Source` that the build knows, as an adapter module declares it."""

import os
from collections.abc import Mapping

from datagen.schema.adapter import Rows, Source, SplitFiles, Vocabulary
from datagen.schema.card import Fact, MediaCard, SourceCard, SplitCard, unverified
from datagen.sources.declared.definition import (
    Definition,
    OneOrMore,
    TaskName,
    Use,
    media_folder,
)
from datagen.sources.declared.normal import NormalRow, answers_of, origin, outcomes

TASK_OF: Mapping[TaskName, str] = {
    "caption": "caption",
    "vqa": "vqa",
    "multiple_choice": "multiple_choice",
    "yes_no": "yes_no",
    "classification": "class_label",
    "statement": "statement",
    "conversation": "conversation",
    "document_vqa": "vqa_ocr",
    "prompt": "conversation",
}
"""The kind of template for each task of a source file."""

CATEGORY = "own data"


def use_of(definition: Definition, split: str) -> Use:
    """Return what a split is for: `train` is trained on and all others are evaluated, unless said."""
    return definition.use.get(split, "train" if split == "train" else "evaluate")


def trained_splits(definition: Definition) -> tuple[str, ...]:
    """Return the splits to train on."""
    return tuple(each for each in definition.split_names if use_of(definition, each) == "train")


def normal_file(definition: Definition, split: str) -> str:
    """Return the path of a split's normal rows below the staging folder."""
    return f"declared/{definition.name}/{split}.jsonl"


def pack_file(definition: Definition, folder: str) -> str:
    """Return the path of a source's pack file below the staging folder."""
    return f"{folder}/declared/{definition.name}/images.pack"


def compile_source(definition: Definition) -> Source:
    """Return the source that a definition declares; its rows are normal rows in the staging folder."""
    read_in = "the source file"

    def fact(value: str | None) -> Fact[str]:
        return Fact[str]() if value is None else unverified(value, read_in)

    kept = [each for each in definition.split_names if use_of(definition, each) != "ignore"]
    kind = "videos" if definition.columns.video else "images"
    card = SourceCard(
        id=definition.name,
        name=definition.title or definition.name,
        task=TASK_OF[definition.task],
        styles=tuple(each for each in _listed(definition.templates) if is_style(each)),
        own_templates=definition.own_templates,
        category=CATEGORY,
        held_in=bool(trained_splits(definition)),
        splits={split: SplitCard(used_in_paper=False) for split in kept},
        files=(),
        media=(MediaCard(kind=kind, collection=definition.name),),
        folder=definition.name,
        home=fact(definition.home),
        licence=fact(definition.licence),
        citation=fact(definition.citation),
        max_missing_media=definition.max_missing_images,
    )
    splits = tuple(
        SplitFiles(
            split,
            Rows(normal_file(definition, split), NormalRow, kind="lines", origin=origin),
            outcomes,
            hidden_answers=use_of(definition, split) == "hidden",
            layout_name="declared",
        )
        for split in kept
    )
    vocabulary = None
    trained = [layout for layout in splits if use_of(definition, layout.split) == "train"]
    if definition.task == "classification" and trained:
        vocabulary = Vocabulary(trained[0].rows, answers_of)
    return Source(card, splits, vocabulary, in_staging=True)


def is_style(name: str) -> bool:
    """Return True if an entry of `templates` names a style of templates, False if it is a folder."""
    return "/" not in name


def template_folders(definition: Definition) -> list[str]:
    """Return the folders of own templates that a definition names."""
    named = (each for each in _listed(definition.templates) if not is_style(each))
    return [os.path.join(definition.base, each) for each in named]


def _listed(values: OneOrMore | None) -> tuple[str, ...]:
    return () if values is None else (values,) if isinstance(values, str) else tuple(values)


def media_root(definition: Definition) -> str:
    """Return the folder or URL of a source's images or videos."""
    paths = definition.videos if definition.columns.video else definition.images
    return media_folder(definition, paths)
