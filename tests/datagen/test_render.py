import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datagen.errors import Reason, RowRejectedError
from datagen.render import chance, draw_by_chance, evaluation, fields_of, references_of
from datagen.render import draw as draw_of_source
from datagen.schema.answers import Answer, counted
from datagen.schema.example import MAX_TEXT_CHARS, Example, Turn
from datagen.sources import all_sources
from templates.blank import is_blank
from templates.library import load_templates
from templates.prompt_spec import PromptSpec
from templates.tasks import SOURCES, TASKS

TEMPLATES = load_templates("instruct")
PLAIN = load_templates("plain")
SPECS = {source.id: source.card.prompts for source in all_sources()}


def draw(example, templates, seed, number=0):
    return draw_of_source(example, templates.of(SPECS[example.source]), seed, number)


def prompt(example, protocol, chances):
    return evaluation(example, protocol, chances, SPECS[example.source].title)


def make(source: str, task: str, number: int = 1, **fields: Any) -> Example:
    return Example(
        example_id=f"{source}/train/{number}",
        source=source,
        split="train",
        task=task,
        group_id="g",
        images=("c/x.jpg",),
        **fields,
    )


def vqa(number: int = 1, answers: tuple[Answer, ...] | None = (Answer("red", 10),)) -> Example:
    return make("vqav2", "vqa", number, question="What colour is it?", answers=answers)


def choice(number: int = 1, **fields: Any) -> Example:
    """As A-OKVQA has them: to be answered openly, or by choosing."""
    base: dict[str, Any] = {
        "question": "What is it for?",
        "answers": (Answer("eating", 6), Answer("dinner", 4)),
        "choices": ("sleeping", "eating", "reading"),
        "correct_choice": 1,
    }
    return make("aokvqa", "vqa", number, **base | fields)


def test_a_chance_is_the_same_on_every_machine() -> None:
    assert chance(0, 0, "vqav2/train/1") == (
        3_661_334_194_191_502_675,
        2_323_567_427_969_506_796,
        13_795_819_189_517_859_636,
        7_484_473_989_065_815_887,
    )


def test_seed_number_and_id_all_change_the_chance() -> None:
    chances = {
        chance(seed, number, name)
        for seed in (0, 1, 11)
        for number in (0, 1, 11)
        for name in ("a/b/1", "a/b/11", "1/a/b/1")
    }
    assert len(chances) == 27
    assert len({value for four in chances for value in four}) == 4 * 27


def test_another_process_draws_the_same(referenced: Any) -> None:
    code = """
import json, sys
from datagen.render import draw
from datagen.dataset import open_dataset
from templates.library import load_templates
from templates.prompt_spec import published_spec
templates = load_templates()
dataset = open_dataset(sys.argv[1])
drawn = {}
for source, splits in dataset.manifest.splits.items():
    for record in dataset.records(source, "train") if "train" in splits else ():
        for number in (0, 5):
            drawn[f"{record.record_id} {number}"] = draw(
                record.example(),
                templates.of(published_spec(record.source, record.task)), 3, number)
print(json.dumps(drawn))
"""
    printed = [
        subprocess.run(
            [sys.executable, "-c", code, str(referenced.out)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    ]
    assert printed[0] == printed[1]
    drawn = json.loads(printed[0])
    assert len(drawn) > 400
    for record in referenced.records("vqav2", "train"):
        here = draw(record.example(), TEMPLATES, 3, 5)
        assert json.loads(json.dumps(here)) == drawn[f"{record.record_id} 5"]


def test_a_draw_is_a_function_of_its_arguments() -> None:
    for number in range(20):
        assert draw(choice(), TEMPLATES, 0, number) == draw(choice(), TEMPLATES, 0, number)


def test_draws_differ_in_template() -> None:
    templates = Counter(draw(vqa(), TEMPLATES, 0, number).template_id for number in range(2_000))
    (form,) = TEMPLATES.forms(SPECS["vqav2"])
    assert set(templates) == {template.template_id for template in form.templates}
    expected = 2_000 / len(form.templates)
    assert all(0.6 * expected < count < 1.4 * expected for count in templates.values())


def test_examples_differ_in_template() -> None:
    templates = Counter(draw(vqa(number), TEMPLATES, 0).template_id for number in range(2_000))
    (form,) = TEMPLATES.forms(SPECS["vqav2"])
    assert set(templates) == {template.template_id for template in form.templates}


def test_answers_are_drawn_as_often_as_annotators_gave_them() -> None:
    answers = (Answer("red", 6), Answer("dark red", 3), Answer("maroon", 1))
    for targets in (
        Counter(draw(vqa(number, answers), TEMPLATES, 0).target for number in range(5_000)),
        Counter(draw(vqa(1, answers), TEMPLATES, 0, number).target for number in range(5_000)),
    ):
        expected = {"red": 3_000, "dark red": 1_500, "maroon": 500}
        assert set(targets) == set(expected)
        chi_square = sum((targets[a] - n) ** 2 / n for a, n in expected.items())
        assert chi_square < 15


def test_template_and_answer_are_drawn_independently() -> None:
    answers = (Answer("red", 5), Answer("blue", 5))
    pairs = Counter()
    for number in range(7_000):
        drawn = draw(vqa(number, answers), TEMPLATES, 0)
        pairs[drawn.template_id, drawn.target] += 1
    (form,) = TEMPLATES.forms(SPECS["vqav2"])
    expected = 7_000 / (2 * len(form.templates))
    assert len(pairs) == 2 * len(form.templates)
    assert sum((count - expected) ** 2 / expected for count in pairs.values()) < 60


def test_blank_answers_are_never_drawn() -> None:
    answers = counted(["", "red", "  ", "", "blue", "\n"])
    assert answers == (Answer("", 4), Answer("red", 1), Answer("blue", 1))
    drawn = [draw(vqa(1, answers), TEMPLATES, 0, number) for number in range(300)]
    targets = Counter(each.target for each in drawn)
    assert set(targets) == {"red", "blue"}
    assert targets["red"] > 100
    assert drawn[0].references == ("", "", "", "", "red", "blue")


def test_raw_answers_are_said_and_stemmed_ones_are_scored() -> None:
    example = make(
        "okvqa",
        "vqa",
        question="What are they doing?",
        answers=(Answer("race", 6), Answer("motocross", 4)),
        raw_answers=(Answer("racing", 8), Answer("motocross", 2)),
    )
    drawn = [draw(example, TEMPLATES, 0, number) for number in range(400)]
    targets = Counter(each.target for each in drawn)
    assert set(targets) == {"racing", "motocross"}
    assert targets["racing"] > 280
    assert drawn[0].references == ("race",) * 6 + ("motocross",) * 4


def test_an_example_with_choices_is_asked_in_both_forms() -> None:
    drawn = [draw(choice(), TEMPLATES, 0, number) for number in range(400)]
    forms = Counter(each.template_id.split(".")[0] for each in drawn)
    assert set(forms) == {"vqa", "multiple_choice"}
    assert 150 < forms["vqa"] < 250
    for each in drawn:
        if each.template_id.startswith("multiple_choice"):
            assert "(a) sleeping (b) eating (c) reading" in each.instruction
            assert (each.target, each.references) == ("eating", ("eating",))
        else:
            assert "sleeping" not in each.instruction
            assert each.references == ("eating",) * 6 + ("dinner",) * 4
    assert {each.target for each in drawn} == {"eating", "dinner"}


def test_an_example_without_choices_is_asked_openly() -> None:
    example = choice(choices=None, correct_choice=None)
    names = {draw(example, TEMPLATES, 0, n).template_id.split(".")[0] for n in range(50)}
    assert names == {"vqa"}


def test_templates_whose_fields_are_absent_are_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "multiple_choice.yaml").write_text(
        """
task: multiple_choice
target: "{{ answer }}"
templates:
  - id: multiple_choice.with.1
    instruction: "{{ context }} {{ question }} {{ choices | lettered }}"
  - id: multiple_choice.without.1
    instruction: "{{ question }} {{ choices | lettered }}"
  - id: multiple_choice.either.1
    instruction: "{% if context %}{{ context }} {% endif %}{{ question }} {{ choices | lettered }}"
"""
    )
    templates = load_templates(tmp_path)
    fields = {"question": "Why?", "choices": ("a", "b"), "correct_choice": 0}
    without = make("scienceqa", "multiple_choice", **fields)
    names = {draw(without, templates, 0, n).template_id for n in range(60)}
    assert names == {"multiple_choice.without.1", "multiple_choice.either.1"}
    complete = make("scienceqa", "multiple_choice", context="Because.", **fields)
    assert len({draw(complete, templates, 0, n).template_id for n in range(60)}) == 3


def test_an_example_that_no_template_fits_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "multiple_choice.yaml").write_text(
        "task: multiple_choice\ntarget: '{{ answer }}'\ntemplates:\n"
        "  - id: one\n    instruction: '{{ context }} {{ question }} {{ choices | lettered }}'\n"
    )
    example = make("scienceqa", "multiple_choice", question="?", choices=("a",), correct_choice=0)
    with pytest.raises(RowRejectedError, match="no template for scienceqa fits") as caught:
        draw(example, load_templates(tmp_path), 0)
    assert caught.value.reason is Reason.NO_TEMPLATE
    with pytest.raises(RowRejectedError, match="no template for vqav2 fits"):
        draw(vqa(), load_templates(tmp_path), 0)


def test_rounds_before_and_caption_stand_in_front() -> None:
    example = make(
        "visdial",
        "dialog",
        question="is it red",
        answers=(Answer("no", 1),),
        captions=("a bus",),
        dialog=(Turn("is it big", "yes"), Turn("how many", "2")),
    )
    instruction = draw(example, TEMPLATES, 0).instruction
    assert instruction.startswith(
        "Caption: a bus. Conversation so far: is it big? yes. how many? 2. "
    )
    first = make("visdial", "dialog", question="is it red", answers=(Answer("no", 1),))
    assert "Conversation" not in draw(first, TEMPLATES, 0).instruction
    assert "Caption" not in draw(first, TEMPLATES, 0).instruction


def test_a_caption_of_many_is_drawn_and_all_are_references() -> None:
    example = make("coco_caption", "caption", captions=("one", "two", "three"))
    drawn = [draw(example, TEMPLATES, 0, number) for number in range(300)]
    counts = Counter(each.target for each in drawn)
    assert set(counts) == {"one", "two", "three"}
    assert min(counts.values()) > 60
    assert {each.references for each in drawn} == {("one", "two", "three")}


def test_a_question_is_generated_from_a_drawn_answer() -> None:
    example = make(
        "vqav2_qg", "question_generation", question="Red?", answers=(Answer("a", 5), Answer("b", 5))
    )
    drawn = [draw(example, TEMPLATES, 0, number) for number in range(100)]
    assert {(each.target, each.references) for each in drawn} == {("Red?", ("Red?",))}
    assert {answer for answer in "ab" for each in drawn if f'"{answer}"' in each.instruction} == {
        "a",
        "b",
    }


@pytest.mark.parametrize(("label", "word"), [(True, "yes"), (False, "no")])
def test_statements_are_judged_in_words(label: bool, word: str) -> None:
    example = make("vsr", "statement", statement="The cat is on the mat.", label=label)
    drawn = draw(example, TEMPLATES, 0)
    assert "The cat is on the mat." in drawn.instruction
    assert drawn.references == (word,)


def test_hidden_answers_have_no_target_and_no_references() -> None:
    for protocol in TEMPLATES.protocols.values():
        example = make(
            protocol.source,
            protocol.task,
            question="?",
            choices=("a", "b"),
            statement="s",
            text="t",
        )
        drawn = prompt(example, protocol, chance(0, 0, "x"))
        assert (drawn.target, drawn.references) == (None, None)
    assert draw(vqa(1, None), TEMPLATES, 0)[2:] == (None, None)


def test_every_protocol_asks_with_its_prompt() -> None:
    prompts = {}
    for name, protocol in TEMPLATES.protocols.items():
        example = make(
            protocol.source,
            protocol.task,
            question="What?",
            answers=(Answer("it", 1),),
            choices=("a", "b"),
            correct_choice=1,
            context="Because.",
            ocr_tokens=("STOP", "GO"),
            dialog=(Turn("big", "yes"),),
            captions=("a cap",),
            statement="It is.",
            label=True,
            text="MEME",
        )
        drawn = prompt(example, protocol, chance(0, 0, "x"))
        assert drawn.template_id == f"protocol/{name}"
        assert drawn.target
        assert drawn.references
        prompts[name] = drawn.instruction
    assert prompts["vqav2"] == "Question: What? Short answer: "
    assert prompts["coco_caption"] == "A short image caption."
    assert prompts["aokvqa"] == "Question: What? Short answer: "
    assert prompts["aokvqa.multiple_choice"] == (
        "Question: What? Options: (a) a (b) b. Short answer:"
    )
    assert prompts["scienceqa"] == "Context: Because. Question: What? Options: (a) a (b) b. Answer:"
    assert prompts["visdial"] == "Dialog history: q: big a: yes\n Question: What? Short answer: "
    assert prompts["vsr"].count("It is.") == 1
    assert prompts["textvqa"].startswith("OCR tokens: STOP, GO. Question: What?")


def test_a_protocol_that_needs_an_absent_field_rejects_the_example() -> None:
    protocol = TEMPLATES.protocols["scienceqa"]
    example = make("scienceqa", "multiple_choice", question="What?")
    with pytest.raises(
        RowRejectedError, match=r"prompt of protocol scienceqa: field 'choices'"
    ) as error:
        prompt(example, protocol, chance(0, 0, "x"))
    assert error.value.reason is Reason.NO_TEMPLATE


def test_an_absent_field_and_a_text_too_long_are_told_apart() -> None:
    with pytest.raises(RowRejectedError, match="field 'question' is absent") as error:
        draw(make("vqav2", "vqa", answers=(Answer("x", 1),)), TEMPLATES, 0)
    assert error.value.reason is Reason.NO_TEMPLATE
    long = make(
        "scienceqa", "multiple_choice", question="?", choices=("x" * 70_000,), correct_choice=0
    )
    with pytest.raises(RowRejectedError, match="65536 are allowed") as error:
        draw(long, TEMPLATES, 0)
    assert error.value.reason is Reason.TEXT_TOO_LONG
    with pytest.raises(RowRejectedError, match="65536 are allowed") as error:
        prompt(long, TEMPLATES.protocols["scienceqa"], chance(0, 0, "x"))
    assert error.value.reason is Reason.TEXT_TOO_LONG


def test_every_source_has_templates_or_needs_none() -> None:
    for source in SOURCES:
        forms = TEMPLATES.forms(SPECS[source])
        assert forms or source.startswith("llava_")
        for form in forms:
            names = {template.template_id for template in form.templates}
            assert len(names) == len(form.templates)


texts = st.text(min_size=1, max_size=60) | st.just("{{ question }} {% endif %} %(answer)s")
answer_lists = st.lists(st.text(max_size=20), min_size=1, max_size=10)


@st.composite
def examples(choose: st.DrawFn) -> tuple[Example, str]:
    """Any example of any source, with or without its optional fields."""
    source = choose(st.sampled_from([s for s in SOURCES if TEMPLATES.forms(SPECS[s])]))
    form = choose(st.sampled_from(TEMPLATES.forms(SPECS[source])))
    choices = choose(st.none() | st.lists(texts, min_size=1, max_size=30).map(tuple))
    correct = None if choices is None else choose(st.integers(0, len(choices) - 1))
    optional = {
        name: choose(st.none() | strategy)
        for name, strategy in {
            "context": texts,
            "ocr_tokens": st.lists(texts, min_size=1).map(tuple),
            "dialog": st.lists(st.builds(Turn, texts, texts), min_size=1, max_size=9).map(tuple),
            "captions": st.lists(texts, min_size=1).map(tuple),
            "question": texts,
            "statement": texts,
            "text": texts,
            "response": texts,
            "label": st.booleans(),
        }.items()
    }
    try:
        answers = counted(choose(answer_lists))
    except RowRejectedError:
        assume(False)
    example = make(
        source, form.task, answers=answers, choices=choices, correct_choice=correct, **optional
    )
    return example, form.task


@given(examples(), st.integers(), st.integers(0, 1_000))
@settings(max_examples=200)
def test_drawing_only_ever_rejects(
    drawn_example: tuple[Example, str], seed: int, number: int
) -> None:
    example, _ = drawn_example
    for templates in (TEMPLATES, PLAIN):
        try:
            drawn = draw(example, templates, seed, number)
        except RowRejectedError as error:
            assert error.message
            continue
        assert isinstance(drawn.instruction, str)
        assert (drawn.target is None) == (drawn.references is None)


@given(examples())
@settings(max_examples=200)
def test_evaluating_only_ever_rejects(drawn_example: tuple[Example, str]) -> None:
    example, _ = drawn_example
    protocol = TEMPLATES.protocols.get(example.source)
    assume(protocol is not None)
    try:
        drawn = prompt(example, protocol, chance(0, 0, example.example_id))
    except RowRejectedError as error:
        assert error.reason in (Reason.NO_TEMPLATE, Reason.TEXT_TOO_LONG)
    else:
        assert (drawn.target is None) == (drawn.references is None)


@given(st.text(min_size=1, max_size=200).filter(lambda text: not is_blank(text)))
def test_a_field_stands_in_the_instruction_to_the_letter(question: str) -> None:
    example = make("vqav2", "vqa", question=question, answers=(Answer(question, 1),))
    drawn = draw(example, TEMPLATES, 0)
    assert question in drawn.instruction
    assert drawn.target == question


def test_the_longest_field_allowed_is_rendered() -> None:
    question = "x" * MAX_TEXT_CHARS
    assert question in draw(make("vqav2", "vqa", question=question), TEMPLATES, 0).instruction


@pytest.mark.parametrize("task", TASKS)
def test_the_fields_of_a_task_are_those_of_its_templates(task: str) -> None:
    example = make("vqav2", task, answers=(Answer("a", 1),), choices=("a",), correct_choice=0)
    assert fields_of(example, task, 0, "Pumps").keys() == TASKS[task].fields.keys()


def test_references_are_repeated_as_often_as_given() -> None:
    example = vqa(1, (Answer("red", 2), Answer("blue", 1)))
    assert references_of(example, "vqa") == ("red", "red", "blue")
    conversation = make("llava_detail", "conversation", question="?", response="Long.")
    assert references_of(conversation, "conversation") == ("Long.",)


def test_draws_for_callers_that_know_the_chance_are_the_same() -> None:
    for number in range(30):
        one = draw_by_chance(
            choice(), TEMPLATES.of(SPECS["aokvqa"]), chance(9, number, choice().example_id)
        )
        assert one == draw(choice(), TEMPLATES, 9, number)


@pytest.mark.parametrize(
    ("instruction", "target", "reason", "message"),
    [
        (
            "{{ question }} {{ choices[7] }}",
            "{{ answer }}",
            Reason.TEMPLATE_FAILED,
            r"instruction of template multiple_choice\.new\.1: .*no element 7 \(choices has 2\)",
        ),
        (
            "{% if context %}{{ question }}{% endif %}",
            "{{ answer }}",
            Reason.EMPTY_TEXT,
            r"instruction of template multiple_choice\.new\.1 is blank",
        ),
        (
            "{{ question }}",
            "{% if context %}{{ answer }}{% endif %}",
            Reason.EMPTY_TEXT,
            r"target of template multiple_choice\.new\.1 is blank",
        ),
    ],
)
def test_a_text_that_fails_or_is_blank_is_rejected_with_template_and_reason(
    tmp_path: Path, instruction: str, target: str, reason: Reason, message: str
) -> None:
    (tmp_path / "multiple_choice.yaml").write_text(
        f"task: multiple_choice\ntarget: '{target}'\n"
        f"templates:\n  - id: multiple_choice.new.1\n    instruction: '{instruction}'\n"
    )
    example = Example(
        example_id="scienceqa/train/1",
        source="scienceqa",
        split="train",
        group_id="a",
        task="multiple_choice",
        images=("a.jpg",),
        question="Which?",
        choices=("cat", "dog"),
        correct_choice=0,
    )
    with pytest.raises(RowRejectedError, match=message) as error:
        draw(example, load_templates(tmp_path), 0)
    assert error.value.reason is reason


PUMPS = PromptSpec("pumps", "Pump inspections", ("vqa",), ("vqa.short_answer",))


def test_a_source_that_is_not_of_the_26_is_drawn_with_its_title_and_styles() -> None:
    example = make("pumps", "vqa", question="What leaks?", answers=(Answer("the seal", 1),))
    templates = TEMPLATES.of(PUMPS)
    drawn = {draw_of_source(example, templates, 0, number).template_id for number in range(60)}
    assert {name.rpartition(".")[0] for name in drawn} == {"vqa.short_answer"}
    prefixed = load_templates("task_dataset_prefix").of(PUMPS)
    instruction = draw_of_source(example, prefixed, 0).instruction
    assert instruction == "[Visual question answering:Pump inspections] What leaks?"
    protocol = TEMPLATES.protocols["vqav2.multitask_prefix"]
    asked = evaluation(example, protocol, chance(0, 0, "x"), PUMPS.title).instruction
    assert asked == instruction


def own(task: str, **fields: Any) -> Any:
    """Draws of an example of own data: instruction, target and references."""
    example = make("pumps", task, **fields)
    of_source = TEMPLATES.of(PromptSpec("pumps", "Pump inspections", (task,)))
    return [draw_of_source(example, of_source, 0, number) for number in range(40)]


def test_a_label_is_asked_for_with_the_sources_question_or_without() -> None:
    answers = (Answer("rust", 1),)
    asked = own("class_label", question="Which defect?", answers=answers, candidates=("ok", "rust"))
    assert {(each.target, each.references) for each in asked} == {("rust", ("rust",))}
    assert all("Which defect?" in each.instruction for each in asked)
    assert any("Options: ok, rust." in each.instruction for each in asked)
    bare = own("class_label", answers=answers)
    assert len({each.instruction for each in bare}) > 8
    many = own("class_label", answers=answers, candidates=tuple(map(str, range(100))))
    assert not any("99" in each.instruction for each in many)


def test_yes_and_no_answer_a_question() -> None:
    drawn = own("yes_no", question="Is the lid open?", label=False)
    assert {(each.target, each.references) for each in drawn} == {("no", ("no",))}
    assert all("Is the lid open?" in each.instruction for each in drawn)
    assert {each.target for each in own("yes_no", question="Open?", label=None)} == {None}
