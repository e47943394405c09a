"""Tasks, their fields, and the ids of the sources: the names that template files may use.

A *task* is a kind of prompt, which decides the fields that a template may use. It is not the
paper's category: GQA, VSR and IconQA share the category "visual reasoning" but need the templates of
`vqa`, `statement` and `multiple_choice`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FieldKind(StrEnum):
    """Kind of a field's value, which decides how a template may use it."""

    TEXT = "text"  # one string: {{ question }}
    LIST = "list"  # strings: {{ choices | lettered }}, {{ ocr_tokens[:30] | join(', ') }}
    TURNS = "turns"  # earlier turns, each with 'question' and 'answer': {% for turn in dialog %}
    FLAG = "flag"  # true or false: {{ 'yes' if label else 'no' }}


TURN_KEYS = ("question", "answer")


@dataclass(frozen=True)
class Task:
    """One of the thirteen kinds of template; those of own data alone come last.

    `fields` are always present, except those in `optional`, which some examples lack. `target` fields
    are what the model must generate: an instruction that shows one gives the answer away.
    """

    title: str
    fields: Mapping[str, FieldKind]
    target: frozenset[str]
    optional: frozenset[str] = frozenset()


def _task(title: str, *, target: str, optional: str = "", **kinds: str) -> Task:
    fields = {name: FieldKind(kind) for name, kind in kinds.items()}
    fields |= {"task_name": FieldKind.TEXT, "dataset_name": FieldKind.TEXT}
    return Task(title, MappingProxyType(fields), frozenset([target]), frozenset(optional.split()))


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "caption": _task("Image captioning", caption="text", target="caption"),
        "caption_ocr": _task(
            "Image captioning with reading comprehension",
            ocr_tokens="list",
            caption="text",
            target="caption",
            optional="ocr_tokens",
        ),
        "vqa": _task("Visual question answering", question="text", answer="text", target="answer"),
        "vqa_ocr": _task(
            "Visual question answering with reading comprehension",
            ocr_tokens="list",
            question="text",
            answer="text",
            target="answer",
            optional="ocr_tokens",
        ),
        "multiple_choice": _task(
            "Multiple-choice question answering",
            question="text",
            choices="list",
            context="text",
            answer="text",
            target="answer",
            optional="context",
        ),
        "question_generation": _task(
            "Visual question generation", answer="text", question="text", target="question"
        ),
        "statement": _task(
            "Visual statement verification", statement="text", label="flag", target="label"
        ),
        "classification": _task("Image classification", text="text", label="flag", target="label"),
        "dialog": _task(
            "Visual dialog",
            caption="text",
            dialog="turns",
            question="text",
            answer="text",
            target="answer",
            optional="caption dialog",
        ),
        "video_qa": _task(
            "Video question answering", question="text", answer="text", target="answer"
        ),
        "conversation": _task(
            "Visual conversation",
            dialog="turns",
            question="text",
            response="text",
            target="response",
            optional="dialog",
        ),
        "yes_no": _task(
            "Visual yes-or-no question answering", question="text", label="flag", target="label"
        ),
        "class_label": _task(
            "Image classification",
            question="text",
            candidates="list",
            answer="text",
            target="answer",
            optional="question candidates",
        ),
    }
)

OWN_TASKS = frozenset(["yes_no", "class_label"])
"""Tasks that none of the 26 sources has. Their templates count in the hash of own sources alone."""

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "coco_caption": "COCO Caption",
        "web_capfilt": "Web CapFilt",
        "textcaps": "TextCaps",
        "vqav2": "VQAv2",
        "okvqa": "OKVQA",
        "aokvqa": "A-OKVQA",
        "ocr_vqa": "OCR-VQA",
        "vqav2_qg": "VQAv2",
        "okvqa_qg": "OKVQA",
        "aokvqa_qg": "A-OKVQA",
        "llava_conversation": "LLaVA-Instruct-150K",
        "llava_detail": "LLaVA-Instruct-150K",
        "llava_reasoning": "LLaVA-Instruct-150K",
        "nocaps": "NoCaps",
        "flickr30k": "Flickr30K",
        "vizwiz": "VizWiz",
        "textvqa": "TextVQA",
        "gqa": "GQA",
        "vsr": "VSR",
        "iconqa": "IconQA",
        "scienceqa": "ScienceQA",
        "visdial": "Visual Dialog",
        "hateful_memes": "HatefulMemes",
        "msvd_qa": "MSVD-QA",
        "msrvtt_qa": "MSRVTT-QA",
        "ivqa": "iVQA",
    }
)
"""Ids of the 26 sources, each with the name of its dataset that a template may show."""
