from collections import Counter
from collections.abc import Callable

from PIL import Image

from datagen.sample.dialogs import PHRASES, answer_options, dialog, opening
from datagen.sample.draw import draw_scene
from datagen.sample.scenes import Object, Scene, make_scene, random_for

See = Callable[[Image.Image], list]


def test_no_answer_has_two_meanings() -> None:
    texts = [text for phrases in PHRASES.values() for text in phrases]
    assert len(texts) == len(set(texts))


def test_every_dialog_has_ten_turns_even_if_its_objects_cannot_be_told_apart() -> None:
    triplets = Scene(tuple(Object("star", "red", "big", cell) for cell in range(3)))
    for scene in (triplets, *(make_scene(0, "dialogs", index) for index in range(200))):
        turns = dialog(scene, random_for("turns"))
        assert len(turns) == 10
        assert all(turn.answer in PHRASES[turn.topic, turn.value] for turn in turns)


def test_answers_can_be_read_from_the_pixels(see: See) -> None:
    checked = Counter[str]()
    for index in range(150):
        scene = make_scene(0, "dialogs", index)
        seen = see(draw_scene(scene))
        subject = seen[0] if len(seen) == 1 else None
        for turn in dialog(scene, random_for(index)):
            text = turn.question
            named = text.partition(" the ")[2].removesuffix(" big or small").removesuffix(" big")
            fitting = [s for s in seen if s.fits(named)]
            if named and len(fitting) == 1:
                subject = fitting[0]
            if text == "how many shapes are there":
                truth = str(len(seen))
            elif turn.topic in ("color", "shape", "size", "place"):
                truth = getattr(subject, turn.topic)
            elif text.endswith(" big"):
                truth = "yes" if subject.size == "big" else "no"
            elif text.startswith(("is there a ", "do you see any ")) and text.endswith(
                ("shapes", "star", "circle", "square", "triangle")
            ):
                noun = text.removeprefix("is there a ").removeprefix("do you see any ")
                truth = "yes" if any(s.fits(noun.removesuffix("s")) for s in seen) else "no"
            else:
                continue
            assert turn.value == truth, (index, turn)
            checked[turn.topic] += 1
    assert set(checked) == {"count", "place", "color", "shape", "size", "yes or no"}


def test_the_printed_word_is_asked_for_only_where_there_is_one() -> None:
    for index in range(100):
        scene = make_scene(0, "dialogs", index)
        words = [turn.value for turn in dialog(scene, random_for(index)) if turn.topic == "word"]
        assert words == [word.text for word in scene.words]


def test_a_hundred_options_are_distinct_and_hold_the_answer_once() -> None:
    for index in range(50):
        for number, turn in enumerate(dialog(make_scene(0, "dialogs", index), random_for(index))):
            options = answer_options(turn, random_for(index, number))
            assert len(options) == len(set(options)) == 100
            assert turn.answer in options


def test_all_other_options_but_one_or_two_mean_something_false() -> None:
    meanings = {text: meaning for meaning, texts in PHRASES.items() for text in texts}
    for index in range(50):
        for number, turn in enumerate(dialog(make_scene(0, "dialogs", index), random_for(index))):
            options = set(answer_options(turn, random_for(index, number))) - {turn.answer}
            true = [text for text in options if meanings[text] == (turn.topic, turn.value)]
            assert len(true) in (1, 2)
            assert not {meanings[text][0] for text in options} & set(turn.near)


def test_the_opening_gives_no_colour_and_no_place_away() -> None:
    for index in range(50):
        words = set(opening(make_scene(0, "dialogs", index), random_for(index)).split())
        assert not words & {"red", "green", "blue", "yellow", "purple", "white", "top", "left"}
