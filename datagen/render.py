"""Draws: one rendering of an example, as a pure function of (example, templates, seed, number).

Which form, template and answer a draw has follows from a hash of the seed, its number and the example's
id, never from a random generator, worker or time. The build stores draw 0; a trainer renders further
draws itself from the record's typed fields.
"""

import hashlib
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from datagen.errors import Reason, RowRejectedError
from datagen.schema.answers import drawn, repeated
from datagen.schema.example import Example
from templates.blank import is_blank
from templates.errors import MissingFieldError, RenderedTooLongError, RenderError
from templates.language import TemplateText
from templates.library import Form, Protocol, SourceTemplates
from templates.tasks import TASKS

_FOUR_WORDS = struct.Struct("<4Q")


class Draw(NamedTuple):
    """One rendering. `target` and `references` are None where the answers are hidden."""

    template_id: str
    instruction: str
    target: str | None
    references: tuple[str, ...] | None


class Chance(NamedTuple):
    """Four independent numbers below 2**64 that decide about an example; `order` about its place."""

    form: int
    template: int
    answer: int
    order: int


def chance(seed: int, number: int, example_id: str) -> Chance:
    """Return the chance of draw `number`; equal on every machine."""
    text = f"{seed}/{number}/{example_id}".encode()
    return Chance(*_FOUR_WORDS.unpack(hashlib.blake2b(text, digest_size=32).digest()))


def draw(example: Example, templates: SourceTemplates, seed: int, number: int = 0) -> Draw:
    """Draw `number` of a training example with the templates of its source.

    The form is uniform over the source's forms that fit the example, the template uniform over the
    form's templates that fit, the answer by the annotators' frequency.

    Raises:
        RowRejectedError: no template fits, or the drawn one fails, is too long, or renders blank.
    """
    return draw_by_chance(example, templates, chance(seed, number, example.example_id))


def draw_by_chance(example: Example, templates: SourceTemplates, chances: Chance) -> Draw:
    """As `draw`, for callers that use the order as well."""
    forms = _fitting(templates, _absent(example))
    if not forms:
        raise RowRejectedError(
            Reason.NO_TEMPLATE, f"no template for {example.source} fits this example's fields"
        )
    form = forms[chances.form % len(forms)] if len(forms) > 1 else forms[0]
    template = form.templates[chances.template % len(form.templates)]
    fields = fields_of(example, form.task, chances.answer, templates.spec.title)
    references = references_of(example, form.task)
    name, blank = f"template {template.template_id}", template.allow_blank
    instruction = _render(template.instruction, fields, name, "instruction", allow_blank=blank)
    target = None if references is None else _render(template.target, fields, name, "target")
    return Draw(template.template_id, instruction, target, references)


def _render(
    text: TemplateText,
    fields: Mapping[str, Any],
    name: str,
    part: str,
    *,
    allow_blank: bool = False,
) -> str:
    """Render the instruction or the target of a template.

    Raises:
        RowRejectedError: it fails, or is blank; names template and part.
    """
    try:
        rendered = text.render(fields)
    except RenderError as error:
        reason = next((why for kind, why in _REASONS.items() if isinstance(error, kind)), None)
        message = f"{part} of {name}: {error}"
        raise RowRejectedError(reason or Reason.TEMPLATE_FAILED, message) from None
    if not allow_blank and is_blank(rendered):
        message = f"{part} of {name} is blank: {text.source!r}"
        raise RowRejectedError(Reason.EMPTY_TEXT, message)
    return rendered


_REASONS: Mapping[type[RenderError], Reason] = {
    MissingFieldError: Reason.NO_TEMPLATE,
    RenderedTooLongError: Reason.TEXT_TOO_LONG,
}


def evaluation(example: Example, protocol: Protocol, chances: Chance, title: str) -> Draw:
    """Return the protocol's prompt for an example of an evaluation split.

    `title` is the dataset's name in texts. The target, used for validation losses only, is drawn like a training target.

    Raises:
        RowRejectedError: the protocol needs a field that the example lacks, or the text is too long.
    """
    fields = fields_of(example, protocol.task, chances.answer, title)
    references = references_of(example, protocol.task)
    name, blank = f"protocol {protocol.name}", protocol.allow_blank
    instruction = _render(protocol.prompt, fields, name, "prompt", allow_blank=blank)
    target = None if references is None else _target(example, protocol.task, fields)
    return Draw(f"protocol/{protocol.name}", instruction, target, references)


def _target(example: Example, task: str, fields: Mapping[str, Any]) -> str:
    if task in ("statement", "classification", "yes_no"):
        return _verdict(example)
    (name,) = TASKS[task].target
    return str(fields[name])


@lru_cache(maxsize=4096)
def _fitting(templates: SourceTemplates, absent: tuple[bool, ...]) -> tuple[Form, ...]:
    """The forms and templates of a source for examples that lack some of `_OPTIONAL_FIELDS`."""
    lacking = {name for name, lacks in zip(_OPTIONAL_FIELDS, absent, strict=True) if lacks}
    forms = []
    for form in templates.forms:
        optional = TASKS[form.task].optional
        absent_here = lacking if "question" in optional else lacking - {"question"}
        fitting = tuple(w for w in form.templates if not w.required & absent_here)
        if fitting:
            forms.append(Form(form.task, fitting))
    return tuple(forms)


_OPTIONAL_FIELDS = (
    "context",
    "choices",
    "ocr_tokens",
    "dialog",
    "caption",
    "question",
    "candidates",
)


def _absent(example: Example) -> tuple[bool, ...]:
    """Return a flag for each of `_OPTIONAL_FIELDS`: True if the example lacks it."""
    return (
        example.context is None,
        example.choices is None,
        example.ocr_tokens is None,
        example.dialog is None,
        example.captions is None,
        example.question is None,
        example.candidates is None,
    )


def fields_of(example: Example, task: str, answer_chance: int, title: str) -> dict[str, Any]:
    """Return the fields that the templates of `task` may use; None where the example has none.

    `title` is the dataset's name.
    """
    fields: dict[str, Any] = {"task_name": TASKS[task].title, "dataset_name": title}
    names = TASKS[task].fields
    if "answer" in names:
        fields["answer"] = _answer(example, task, answer_chance)
    if "caption" in names:
        captions = example.captions
        fields["caption"] = captions and captions[answer_chance % len(captions)]
    if "dialog" in names:
        fields["dialog"] = example.dialog and [
            {"question": turn.question, "answer": turn.answer} for turn in example.dialog
        ]
    for name in _SAME_NAME[task]:
        fields[name] = getattr(example, name)
    return fields


_SAME_NAME = {
    task: tuple(
        name
        for name in description.fields
        if name not in ("answer", "caption", "dialog", "task_name", "dataset_name")
    )
    for task, description in TASKS.items()
}
"""The fields of each task that are attributes of an example."""


def _answer(example: Example, task: str, answer_chance: int) -> str | None:
    if task == "multiple_choice":
        if example.correct_choice is None or example.choices is None:
            return None
        return example.choices[example.correct_choice]
    answers = example.raw_answers or example.answers
    return None if answers is None else drawn(answers, answer_chance)


def references_of(example: Example, task: str) -> tuple[str, ...] | None:
    """Return the texts that a prediction is scored against: equal answers as often as given."""
    match task:
        case "caption" | "caption_ocr":
            return example.captions
        case "question_generation":
            return None if example.question is None else (example.question,)
        case "statement" | "classification" | "yes_no":
            return None if example.label is None else (_verdict(example),)
        case "conversation":
            return None if example.response is None else (example.response,)
        case "multiple_choice":
            answer = _answer(example, task, 0)
            return None if answer is None else (answer,)
    return None if example.answers is None else repeated(example.answers)


def _verdict(example: Example) -> str:
    return "yes" if example.label else "no"
