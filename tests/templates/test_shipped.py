import difflib
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from datagen.sources import all_sources
from templates import files
from templates.language import TemplateText
from templates.library import SHIPPED, SHIPPED_SETS, load_templates
from templates.tasks import SOURCES, TASKS

GOLDEN = Path(__file__).parent / "golden"

EXAMPLES = {
    "caption": {"caption": "A brown dog catches a red ball in a park."},
    "caption_ocr": {
        "ocr_tokens": ["STOP", "MAIN ST", "ALL-WAY"],
        "caption": "A red stop sign stands under a street sign for Main St.",
    },
    "vqa": {"question": "What color is the ball?", "answer": "red"},
    "vqa_ocr": {
        "ocr_tokens": ["SEA", "TALES", "Vol.2"],
        "question": "What is the title of this book?",
        "answer": "sea tales",
    },
    "multiple_choice": {
        "context": "The photo was taken on a farm.",
        "question": "Which animal is this?",
        "choices": ["a cat", "a dog", "a horse"],
        "answer": "a dog",
    },
    "question_generation": {"question": "What color is the ball?", "answer": "red"},
    "statement": {"statement": "The cat is under the table.", "label": True},
    "classification": {"text": "WHEN MONDAY COMES AGAIN", "label": False},
    "dialog": {
        "caption": "a brown dog catches a ball in a park",
        "dialog": [
            {"question": "is the dog big", "answer": "yes, very"},
            {"question": "is it sunny", "answer": "i think so"},
        ],
        "question": "what color is the ball",
        "answer": "red",
    },
    "video_qa": {"question": "what is a man slicing?", "answer": "bread"},
    "conversation": {
        "dialog": [{"question": "What is the dog doing?", "answer": "It is jumping for a ball."}],
        "question": "Why might it enjoy this?",
        "response": "Many dogs like to chase what moves.",
    },
    "yes_no": {"question": "Is the dog jumping?", "label": True},
    "class_label": {
        "question": "Which animal is this?",
        "candidates": ["cat", "dog", "horse"],
        "answer": "dog",
    },
}
HELD_OUT = [
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
]
HELD_IN_EVALUATED = ["coco_caption", "textcaps", "vqav2", "okvqa", "aokvqa", "ocr_vqa"]
OTHER_FORMS = ["aokvqa.multiple_choice"]
FIGURE_4_HELD_OUT = [
    "gqa",
    "textvqa",
    "vsr",
    "hateful_memes",
    "iconqa",
    "scienceqa",
    "ivqa",
    "vizwiz",
]
VARIANTS = {
    "lmms_eval": (
        [
            "nocaps",
            "flickr30k",
            "textcaps",
            "coco_caption",
            "gqa",
            "vizwiz",
            "textvqa",
            "okvqa",
            "vqav2",
            "scienceqa",
        ]
    ),
    "lavis": ["coco_caption", "nocaps", "okvqa", "msvd_qa", "msrvtt_qa"],
    "all_splits": ["msvd_qa"],
    "image_caption": ["flickr30k"],
    "letters": ["iconqa", "scienceqa", "aokvqa"],
    "exact": ["gqa"],
    "evalai": ["textvqa", "vizwiz"],
    "official_2021": ["vqav2", "okvqa"],
    "test": ["aokvqa", "nocaps", "visdial"],
    "multiple_choice_test": ["aokvqa"],
    "multitask_plain": [*FIGURE_4_HELD_OUT, *HELD_IN_EVALUATED],
    "multitask_prefix": [*FIGURE_4_HELD_OUT, *HELD_IN_EVALUATED],
}
VARIANT_NAMES = [f"{source}.{name}" for name, sources in VARIANTS.items() for source in sources]
ASKED = HELD_OUT + HELD_IN_EVALUATED + OTHER_FORMS
PROTOCOLS = load_templates("instruct").protocols
SPECS = {source.id: source.card.prompts for source in all_sources()}
NAMED = {spec.tasks[0]: source for source, spec in reversed(SPECS.items())} | {
    "multiple_choice": "scienceqa",
    "yes_no": "vqav2",
    "class_label": "vqav2",
}
"""A source of each task, whose name the templates show."""


def fields_of(task, source, **changes):
    names = {"task_name": TASKS[task].title, "dataset_name": SOURCES[source]}
    return {**EXAMPLES[task], **names, **changes}


def renderings(title: str, instruction: TemplateText, target: TemplateText | None, task, source):
    """The lines of one template: on the full example, then without the optional fields it uses."""
    yield title
    yield f"  asks   {quoted(instruction.render(fields_of(task, source)))}"
    if target is not None:
        yield f"  wants  {quoted(target.render(fields_of(task, source)))}"
    absent = sorted(TASKS[task].optional & instruction.optional)
    if absent:
        bare = fields_of(task, source, **dict.fromkeys(absent))
        yield f"  asks   {quoted(instruction.render(bare))}  without {', '.join(absent)}"


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def rendered_set(name):
    for template in load_templates(name).templates:
        yield from renderings(
            template.template_id,
            template.instruction,
            template.target,
            template.task,
            NAMED[template.task],
        )


def rendered_protocols():
    for name, protocol in PROTOCOLS.items():
        yield from renderings(name, protocol.prompt, None, protocol.task, protocol.source)


@pytest.mark.parametrize("name", [*SHIPPED_SETS, "protocol"])
def test_every_template_renders_as_its_golden_text(name):
    lines = list(rendered_protocols() if name == "protocol" else rendered_set(name))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    expected = path.read_text(encoding="utf-8").splitlines()
    assert lines
    if lines != expected:
        diff = difflib.unified_diff(expected, lines, str(path), "rendered now", lineterm="")
        pytest.fail("\n".join([*diff, "if this is meant: UPDATE_GOLDEN=1 pytest tests/templates"]))


def test_every_task_has_ten_to_fifteen_templates_but_conversation_has_one():
    counts = Counter(template.task for template in load_templates("instruct").templates)
    assert counts.pop("conversation") == 1
    assert counts.keys() == TASKS.keys() - {"conversation"}
    assert {task: count for task, count in counts.items() if not 10 <= count <= 15} == {}


@pytest.mark.parametrize("name", ["plain", "task_dataset_prefix"])
def test_the_ablation_sets_have_one_template_a_task(name):
    tasks = [template.task for template in load_templates(name).templates]
    assert sorted(tasks) == sorted(TASKS)


@pytest.mark.parametrize("name", SHIPPED_SETS)
def test_all_26_sources_have_forms_in_every_set(name):
    templates = load_templates(name)
    assert len(SOURCES) == 26
    assert [source for source, spec in SPECS.items() if not templates.forms(spec)] == []


def test_the_sets_agree_on_the_targets_of_a_task():
    of_set = {
        name: {
            (template.task, template.target.source) for template in load_templates(name).templates
        }
        for name in SHIPPED_SETS
    }
    assert of_set["plain"] == of_set["instruct"] == of_set["task_dataset_prefix"]


def test_all_held_out_sources_and_the_evaluated_held_in_ones_have_a_protocol():
    assert len(HELD_OUT) == 13
    assert sorted(PROTOCOLS) == sorted(ASKED + VARIANT_NAMES)
    assert {name for name, protocol in PROTOCOLS.items() if protocol.extends} == set(VARIANT_NAMES)


@pytest.mark.parametrize("name", ASKED + VARIANT_NAMES)
def test_a_protocol_has_a_task_that_its_source_is_rendered_with(name):
    protocol = PROTOCOLS[name]
    assert protocol.source == name.partition(".")[0]
    tasks = [form.task for form in load_templates("instruct").forms(SPECS[protocol.source])]
    assert protocol.task in tasks
    assert protocol.read_in


@pytest.mark.parametrize("source", VARIANTS["multitask_plain"])
def test_the_multitask_protocols_ask_as_the_multitask_sets_train(source):
    protocol = PROTOCOLS[f"{source}.multitask_plain"]
    prefixed = PROTOCOLS[f"{source}.multitask_prefix"]
    for absent in (set(), TASKS[protocol.task].optional):
        fields = fields_of(protocol.task, source, **dict.fromkeys(absent))
        plain, prefix = (
            next(w for w in load_templates(name).templates if w.task == protocol.task)
            for name in ("plain", "task_dataset_prefix")
        )
        assert protocol.prompt.render(fields) == plain.instruction.render(fields)
        expected = prefix.instruction.render(fields)
        if source in FIGURE_4_HELD_OUT:  # the dataset's name is not known of a held-out set
            expected = expected.replace(f":{SOURCES[source]}]", "]", 1)
        assert prefixed.prompt.render(fields) == expected
        assert prefixed.prompt.render(fields).startswith(f"[{TASKS[protocol.task].title}")


def test_every_form_of_an_evaluated_source_has_a_protocol():
    asked = {(protocol.source, protocol.task) for protocol in PROTOCOLS.values()}
    for source in HELD_OUT + HELD_IN_EVALUATED:
        for form in load_templates("instruct").forms(SPECS[source]):
            assert (source, form.task) in asked


@pytest.mark.parametrize(
    ("names", "prompt"),
    [
        ("nocaps flickr30k", "A short image description: "),
        ("coco_caption", "A short image caption."),
        ("gqa vizwiz vqav2 aokvqa msvd_qa msrvtt_qa ivqa", "Question: {question} Short answer: "),
        ("okvqa", "Question: {question} Short Answer:"),
        ("textvqa ocr_vqa", "OCR tokens: {tokens}. Question: {question} Short answer: "),
        ("textcaps", "OCR tokens: {tokens}. A short image caption."),
        ("iconqa aokvqa.multiple_choice", "Question: {question} Options: {options}. Short answer:"),
        ("scienceqa", "Context: {context} Question: {question} Options: {options}. Answer:"),
        (
            "vsr",
            'Based on the image, is this statement true or false? "{statement}" Answer: ',
        ),
        (
            "hateful_memes",
            'This is an image with: "{text}" written on it. Is it hateful? Answer: ',
        ),
        ("visdial", "Dialog history: {history}\n Question: {question} Short answer: "),
    ],
)
def test_the_evaluation_prompts_are_these_to_the_letter(names, prompt):
    for name in names.split():
        protocol = PROTOCOLS[name]
        source = protocol.source
        example = EXAMPLES[protocol.task]
        expected = prompt.format(
            **example,
            tokens="STOP, MAIN ST, ALL-WAY" if source == "textcaps" else "SEA, TALES, Vol.2",
            options="(a) a cat (b) a dog (c) a horse",
            history="q: is the dog big a: yes, very q: is it sunny a: i think so",
        )
        assert protocol.prompt.render(fields_of(protocol.task, source)) == expected, name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nocaps.lmms_eval", "Provide a one-sentence caption for the provided image."),
        ("coco_caption.lmms_eval", "Describe the image briefly."),
        (
            "gqa.lmms_eval",
            "What color is the ball?\nAnswer the question using a single word or phrase.",
        ),
        (
            "vizwiz.lmms_eval",
            "What color is the ball?\nWhen the provided information is insufficient, respond with "
            "'Unanswerable'.\nAnswer the question using a single word or phrase.",
        ),
        (
            "scienceqa.lmms_eval",
            "Context: The photo was taken on a farm.\nWhich animal is this?\nA. a cat\nB. a dog\n"
            "C. a horse\nAnswer with the option's letter from the given choices directly.",
        ),
        ("okvqa.lavis", "what color is the ball?"),
        ("msvd_qa.lavis", "Question: what is a man slicing? Short Answer:"),
    ],
)
def test_the_prompts_of_other_code_are_these_to_the_letter(name, expected):
    protocol = PROTOCOLS[name]
    assert protocol.prompt.render(fields_of(protocol.task, protocol.source)) == expected


@pytest.mark.parametrize(
    ("source", "absent", "expected"),
    [
        ("textvqa", "ocr_tokens", "Question: What is the title of this book? Short answer: "),
        ("textcaps", "ocr_tokens", "A short image caption."),
        ("scienceqa", "context", "Question: Which animal is this? Options: (a) a cat "),
        ("visdial", "dialog", "Question: what color is the ball Short answer: "),
    ],
)
def test_a_prompt_drops_the_part_whose_field_is_absent(source, absent, expected):
    protocol = PROTOCOLS[source]
    assert absent in protocol.prompt.optional
    for nothing in (None, []):
        fields = fields_of(protocol.task, source, **{absent: nothing})
        assert protocol.prompt.render(fields).startswith(expected)


@pytest.mark.parametrize("name", SHIPPED_SETS)
def test_rendered_training_texts_have_no_stray_space(name):
    for template in load_templates(name).templates:
        for absent in (set(), TASKS[template.task].optional):
            fields = fields_of(template.task, NAMED[template.task], **dict.fromkeys(absent))
            for text in (template.instruction.render(fields), template.target.render(fields)):
                assert text == text.strip(), template.template_id
                assert "  " not in text, template.template_id
                assert " \n" not in text, template.template_id


def test_no_instruction_shows_the_target_of_the_example():
    for template in load_templates("instruct").templates:
        if template.task in ("multiple_choice", "class_label"):  # it is among the choices
            continue
        fields = fields_of(template.task, NAMED[template.task])
        target = template.target.render(fields)
        if target not in ("yes", "no"):
            assert target not in template.instruction.render(fields), template.template_id


def test_ids_are_task_style_and_a_number_that_runs_within_the_style():
    for name in SHIPPED_SETS:
        styles = Counter()
        for template in load_templates(name).templates:
            task, style, number = template.template_id.split(".")
            styles[task, style] += 1
            assert (task, int(number)) == (template.task, styles[task, style]), template.template_id
            assert template.file == f"{task}.yaml"


@pytest.mark.parametrize("task", ["vqa", "vqa_ocr", "dialog", "video_qa"])
def test_all_but_the_bare_question_of_a_short_answer_task_ask_for_a_short_answer(task):
    cue = re.compile(r"(?i)\b(short|brief|briefly|(few|one or two) words|(a|one|single) word)\b")
    templates = [w for w in load_templates("instruct").templates if w.task == task]
    uncued = [w.template_id for w in templates if not cue.search(w.instruction.source)]
    assert uncued == [f"{task}.bare.1"]


@pytest.mark.parametrize("task", ["caption_ocr", "vqa_ocr"])
def test_ocr_tokens_stand_in_front_and_are_at_most_thirty(task):
    tokens = [f"t{number}" for number in range(40)]
    for template in load_templates("instruct").templates:
        if template.task == task:
            fields = fields_of(task, NAMED[template.task], ocr_tokens=tokens)
            text = template.instruction.render(fields)
            assert text.startswith(f"OCR tokens: {', '.join(tokens[:30])}. ")
            assert "t30" not in text
            without = template.instruction.render({**fields, "ocr_tokens": None})
            assert text == f"OCR tokens: {', '.join(tokens[:30])}. {without}"


def test_choices_are_always_listed_with_letters_and_the_context_stands_in_front():
    for template in load_templates("instruct").templates:
        if template.task == "multiple_choice":
            text = template.instruction.render(fields_of("multiple_choice", "scienceqa"))
            assert "(a) a cat (b) a dog (c) a horse" in text
            assert text.startswith("Context: The photo was taken on a farm. ")


@pytest.mark.parametrize("task", ["statement", "classification"])
def test_yes_and_no_are_the_targets_of_true_and_false(task):
    for template in load_templates("instruct").templates:
        if template.task == task:
            assert template.target.render({"label": True}) == "yes"
            assert template.target.render({"label": False}) == "no"


def test_the_prefix_set_names_task_and_dataset_as_in_the_paper():
    templates = {w.task: w for w in load_templates("task_dataset_prefix").templates}
    text = templates["vqa"].instruction.render(fields_of("vqa", "vqav2"))
    assert text == "[Visual question answering:VQAv2] What color is the ball?"
    for task, template in templates.items():
        fields = fields_of(task, NAMED[template.task])
        start = f"[{TASKS[task].title}:{SOURCES[NAMED[template.task]]}]"
        assert template.instruction.render(fields).startswith(start)


def test_the_plain_set_holds_the_fields_and_nothing_else():
    for template in load_templates("plain").templates:
        text = template.instruction.render(fields_of(template.task, NAMED[template.task]))
        for value in EXAMPLES[template.task].values():
            for part in strings_in(value):
                text = text.replace(part, "")
        assert re.sub(r"\([a-c]\)|,", "", text).strip() == "", template.template_id


def strings_in(value):
    match value:
        case str():
            yield value
        case dict():
            yield from value.values()
        case list():
            for item in value:
                yield from strings_in(item)


def test_every_shipped_file_opens_with_a_comment():
    files = sorted(SHIPPED.glob("*/*.yaml"))
    assert len(files) == 3 * len(TASKS) + len(PROTOCOLS)
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines()
        comment = next(number for number, line in enumerate(lines) if not line.startswith("# "))
        assert comment >= (2 if path.parent.name == "instruct" else 1), path
        assert comment <= 5, path


KINDS = {
    "question alone": r"^{{ question }}$",
    "question first": r"^{{ question }} .+",
    "length cue": r"(one|few|two|short|single) (or two |or a short )?(words?|phrase)",
    "short-answer cue": r"(brief|short) (answer|reply):$",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["vqa", "vqa_ocr", "video_qa"])
def test_the_papers_kinds_of_template_are_all_there(task, kind):
    prefix = re.compile(r"^{% if ocr_tokens %}.*?{% endif %}")
    texts = [
        prefix.sub("", template.instruction.source)
        for template in load_templates("instruct").templates
        if template.task == task
    ]
    assert [text for text in texts if re.search(KINDS[kind], text, re.IGNORECASE)]


def test_libyaml_and_pyyaml_read_the_same_from_every_shipped_file():
    paths = sorted(SHIPPED.rglob("*.yaml"))
    assert len(paths) > 90
    for path in paths:
        data = path.read_bytes()
        assert files._load(data) == yaml.load(data, files._Loader), path
