import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby

import pytest
from PIL import Image

from datagen.sample.draw import draw_scene
from datagen.sample.questions import Question, ask, choices, varied
from datagen.sample.scenes import Object, Scene, Word, make_scene, random_for
from datagen.sample.statements import about_objects, about_pairs
from datagen.sample.words import WHERE, captions, names, other_cells

See = Callable[[Image.Image], list]
Answer = Callable[[list, str], str | None]

STAR = Object("star", "red", "big", 0)
CIRCLE = Object("circle", "red", "small", 4)
PLACES = {where: cell for cell, where in WHERE.items()}


def _asked(num: int) -> Iterator[tuple[Scene, Question]]:
    for index in range(num):
        scene = make_scene(0, "questions", index)
        for question in ask(scene, random_for(index)):
            yield scene, question


def test_every_answer_can_be_read_from_the_pixels(see: See, answer: Answer) -> None:
    checked = Counter[str]()
    for scene, questions in groupby(_asked(150), key=lambda pair: pair[0]):
        seen = see(draw_scene(scene))
        for _, question in questions:
            if question.kind == "word":
                assert question.answer.upper() in [word.text for word in scene.words]
                continue
            assert answer(seen, question.text) == question.answer, question
            checked[question.kind] += 1
    assert len(checked) == 9
    assert min(checked.values()) > 20


def test_wrong_answers_hold_neither_the_answer_nor_a_synonym() -> None:
    for _, question in _asked(100):
        assert question.wrong
        assert not {question.answer, *question.synonyms} & set(question.wrong)
        assert len(set(question.wrong)) == len(question.wrong)


def test_what_says_too_little_of_a_place_is_not_called_wrong() -> None:
    assert not {"top", "left"} & set(other_cells("top left"))
    assert len(other_cells("top left")) == 6
    assert "top left" in other_cells("top")


def test_yes_and_no_are_about_equally_frequent() -> None:
    answers = Counter(q.answer for _, q in _asked(600) if q.answer_type == "yes/no")
    assert 0.42 < answers["yes"] / answers.total() < 0.58


def test_each_full_sentence_contains_the_answer() -> None:
    numbers = {"0": "no", "1": "one", "2": "two", "3": "three"}
    for _, question in _asked(100):
        given = numbers.get(question.answer, question.answer)
        if question.kind == "place":
            given = question.answer.split()[-1]
        assert given in question.sentence.lower()
        assert question.sentence.endswith(".")


def test_the_same_scene_and_generator_give_the_same_questions_in_several_templates() -> None:
    scene = Scene((STAR, CIRCLE))
    assert ask(scene, random.Random(0)) == ask(scene, random.Random(0))
    texts = {q.text for n in range(50) for q in ask(scene, random.Random(n)) if q.kind == "color"}
    assert len(texts) >= 6


def test_objects_that_cannot_be_told_apart_are_not_asked_about() -> None:
    doubles = Scene((STAR, Object("star", "red", "big", 8)))
    kinds = {question.kind for question in ask(doubles, random.Random(0))}
    assert kinds == {"count", "existence"}


def test_names_are_as_short_as_can_be_and_leave_out_what_is_asked_for() -> None:
    scene = Scene((STAR, CIRCLE))
    assert names(scene, STAR) == ["star", "big object"]
    assert names(scene, STAR, without="shape") == ["big object"]
    assert "object" in names(Scene((STAR,)), STAR)


def test_varied_questions_differ_in_kind_as_long_as_they_can() -> None:
    questions = ask(Scene((STAR, CIRCLE)), random.Random(0))
    kinds = [question.kind for question in varied(questions, 6)]
    assert len(set(kinds)) == 6
    assert len(varied(questions, 1000)) == len(questions)


@pytest.mark.parametrize("num", [2, 3, 4, 5])
def test_choices_are_distinct_and_the_true_one_is_where_it_is_said_to_be(num: int) -> None:
    for index, (_, question) in enumerate(_asked(40)):
        found, place = choices(question, random_for(index), num)
        assert found[place] == question.answer
        assert len(set(found)) == len(found) == min(num, len(question.wrong) + 1)


def test_the_true_choice_is_at_every_place() -> None:
    places = Counter(choices(q, random_for(n), 4)[1] for n, (_, q) in enumerate(_asked(60)))
    assert set(places) == {0, 1, 2, 3}


def test_statements_about_pairs_are_as_true_as_their_labels(see: See, answer: Answer) -> None:
    labels = []
    for index in range(60):
        scene = make_scene(0, "statements", index, num_objects=3)
        seen = see(draw_scene(scene))
        for statement in about_pairs(scene, random_for(index)):
            question = re.sub(r"^The (.+) is (.+)\.$", r"Is the \1 \2?", statement.text)
            truth = "yes" if statement.label else "no"
            assert answer(seen, question) == truth, statement
            assert f" is {statement.relation} the " in statement.text
            labels.append(statement.label)
    assert 0.4 < sum(labels) / len(labels) < 0.6


def test_statements_about_objects_are_as_true_as_their_labels(see: See) -> None:
    labels = []
    for index in range(100):
        scene = make_scene(0, "statements", index)
        seen = see(draw_scene(scene))
        for statement in about_objects(scene, random_for(index)):
            match = re.fullmatch(r"The (.+) is (?:a )?(.+)\.", statement.text)
            assert match is not None
            [thing] = [s for s in seen if s.fits(match[1])]
            given = PLACES.get(match[2], match[2])
            truth = given in (thing.color, thing.shape, thing.place)
            assert truth == statement.label, statement
            labels.append(statement.label)
    assert 0.4 < sum(labels) / len(labels) < 0.6


def test_captions_differ_and_say_only_what_the_pixels_show(see: See) -> None:
    phrase = re.compile(
        r"\b(a|two|three) ((?:small |big )?(?:red|green|blue|yellow|purple|white) "
        r"(?:circle|square|triangle|star))s?((?: (?:in|on|at) the (?:top |bottom )?\w+)?)"
    )
    for index in range(150):
        scene = make_scene(0, "captions", index)
        seen = see(draw_scene(scene))
        found = captions(scene, random_for(index), 5)
        assert len({text.rstrip(".") for text in found}) == 5
        for text in found:
            named = phrase.findall(text.lower())
            for number, noun, place in named:
                cell = PLACES.get(place.strip())
                fitting = [s for s in seen if s.fits(noun) and cell in (None, s.place)]
                assert len(fitting) >= {"a": 1, "two": 2, "three": 3}[number], text
            total = sum({"a": 1, "two": 2, "three": 3}[number] for number, _, _ in named)
            assert total == len(seen), text
            for word in re.findall(r"\b[A-Z]{2,}\b", text):
                assert word in [w.text for w in scene.words]


def test_captions_name_the_printed_word_if_they_are_told_to() -> None:
    scene = Scene((STAR,), (Word("STOP", 8),))
    assert all("STOP" in text for text in captions(scene, random.Random(0), 5, mention_words=True))
    mentions = ["STOP" in text for text in captions(scene, random.Random(0), 8)]
    assert any(mentions)
    assert not all(mentions)
