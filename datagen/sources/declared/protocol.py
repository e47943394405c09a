"""The protocol of a declared source: how its evaluation splits are prompted and scored."""

from collections.abc import Mapping
from typing import Any

from datagen.errors import OptionError
from datagen.sources.declared.compile import TASK_OF, use_of
from datagen.sources.declared.definition import Definition, TaskName
from templates.errors import Finding
from templates.protocols import Protocol, parse_protocol

_SHORT = {
    "method": "generate",
    "decoding": {
        "beams": 5,
        "min_new_tokens": 0,
        "max_new_tokens": 10,
        "length_penalty": {"t5": -1, "llama": 0},
        "repetition_penalty": 1.5,
    },
    "metric": "exact_match_text",
    "normaliser": "case_and_marks",
}
_LONG = {
    "method": "generate",
    "decoding": {"beams": 5, "max_new_tokens": 256},
    "metric": "cider",
    "normaliser": "ptb",
}
_TURNS = (
    "{% if dialog %}{% for turn in dialog %}{{ turn['question'] }}\n{{ turn['answer'] }}\n"
    "{% endfor %}{% endif %}{{ question }}"
)
_DEFAULTS: Mapping[TaskName, tuple[str, Mapping[str, Any]]] = {
    "caption": (
        "A short image description: ",
        {
            "method": "generate",
            "decoding": {"beams": 5, "min_new_tokens": 8, "max_new_tokens": 80},
            "metric": "cider",
            "normaliser": "ptb",
        },
    ),
    "vqa": ("Question: {{ question }} Short answer: ", _SHORT),
    "document_vqa": (
        "{% if ocr_tokens %}OCR tokens: {{ ocr_tokens[:30] | join(', ') }}. {% endif %}"
        "Question: {{ question }} Short answer: ",
        _SHORT,
    ),
    "multiple_choice": (
        "{% if context %}Context: {{ context }} {% endif %}"
        "Question: {{ question }} Options: {{ choices | lettered }}. Short answer:",
        {
            "method": "rank",
            "candidates": "choices",
            "metric": "choice_accuracy",
            "normaliser": "none",
        },
    ),
    "yes_no": (
        "Question: {{ question }} Answer yes or no: ",
        {
            "method": "rank",
            "candidates": "verbalizers",
            "verbalizers": {"positive": ["yes"], "negative": ["no"]},
            "metric": "yes_no_accuracy",
            "normaliser": "none",
        },
    ),
    "statement": (
        'Based on the image, is this statement true or false? "{{ statement }}" Answer: ',
        {
            "method": "rank",
            "candidates": "verbalizers",
            "verbalizers": {"positive": ["yes", "true"], "negative": ["no", "false"]},
            "metric": "yes_no_accuracy",
            "normaliser": "none",
        },
    ),
    "classification": (
        "{% if question %}Question: {{ question }} {% endif %}Short answer: ",
        {
            "method": "rank",
            "candidates": "vocabulary",
            "metric": "exact_match_text",
            "normaliser": "case_and_marks",
        },
    ),
    "conversation": (_TURNS, _LONG),
    "prompt": (_TURNS, _LONG),
}
_NORMALISERS = {
    "vqa_official_2021": "vqa_2021",
    "vqa_lavis": "vqa_2016",
    "vqa_evalai": "vqa_evalai",
    "exact_match": "none",
    "exact_match_lavis": "vqa_both_sides",
    "exact_match_text": "case_and_marks",
    "cider": "ptb",
}
_READ_IN = "the source file, or its task's default"


def evaluated_split(definition: Definition) -> str | None:
    """Return the first split that is evaluated with known answers, None if there is none."""
    uses = ((split, use_of(definition, split)) for split in definition.split_names)
    return next((split for split, use in uses if use == "evaluate"), None)


def read_protocol(definition: Definition) -> Protocol | None:
    """Return the protocol of a source; None without a split to evaluate.

    Raises:
        OptionError: `evaluation` in the source file holds a prompt or a value that cannot be used.
    """
    content = protocol_content(definition)
    if content is None:
        return None
    findings: list[Finding] = []
    protocol = parse_protocol(definition.name, content, "evaluation", findings)
    if protocol is None or findings:
        found = "; ".join(f"{each.field or 'prompt'}: {each.message}" for each in findings)
        raise OptionError(f"source {definition.name}, evaluation: {found}")
    return protocol


def protocol_content(definition: Definition) -> dict[str, Any] | None:
    """Return the protocol as the content of a protocol file; None without a split to evaluate.

    `evaluation` in the source file overrides the defaults of its task key by key.
    """
    split = evaluated_split(definition)
    if split is None:
        return None
    prompt, rules = _DEFAULTS[definition.task]
    own = definition.evaluation
    found = {"split": split, **rules}
    if own.decode:
        found["decoding"] = {**rules.get("decoding", {}), **own.decode}
    if own.metric is not None:
        found["metric"] = own.metric
        found["normaliser"] = _NORMALISERS.get(own.metric, "none")
    if own.candidates == "generate":
        found |= {"method": "generate", "decoding": {**_SHORT["decoding"], **own.decode}}  # type: ignore[dict-item]
        found.pop("candidates", None)
        found.pop("verbalizers", None)
    return {
        "source": definition.name,
        "task": TASK_OF[definition.task],
        "prompt": prompt if own.prompt is None else own.prompt,
        "read_in": _READ_IN,
        "evaluation": {**found, "read_in": dict.fromkeys(found, _READ_IN)},
    }
