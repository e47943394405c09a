"""The sources that can be built: one adapter module each, one line each in this table."""

from functools import cache
from importlib import import_module

from datagen.errors import OptionError, nearest
from datagen.schema.adapter import Source

SOURCE_IDS = (
    "coco_caption",
    "web_capfilt",
    "textcaps",
    "vqav2",
    "okvqa",
    "aokvqa",
    "ocr_vqa",
    "vqav2_qg",
    "okvqa_qg",
    "aokvqa_qg",
    "llava_conversation",
    "llava_detail",
    "llava_reasoning",
    "nocaps",
    "flickr30k",
    "vizwiz",
    "textvqa",
    "gqa",
    "vsr",
    "iconqa",
    "scienceqa",
    "visdial",
    "hateful_memes",
    "msvd_qa",
    "msrvtt_qa",
    "ivqa",
)


@cache
def load_source(source_id: str) -> Source:
    """The adapter of a source.

    Raises:
        OptionError: no source has this id.
    """
    if source_id not in SOURCE_IDS:
        raise OptionError(
            f"unknown source {source_id!r}{nearest(source_id, SOURCE_IDS)}; "
            f"known are {', '.join(SOURCE_IDS)}"
        )
    source: Source = import_module(f"datagen.sources.{source_id}").SOURCE
    return source


def all_sources() -> tuple[Source, ...]:
    return tuple(load_source(source_id) for source_id in SOURCE_IDS)
