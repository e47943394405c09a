from collections import Counter
from collections.abc import Callable
from typing import Any

from PIL import Image

from datagen.sample.clip_questions import ask_about_clip
from datagen.sample.clips import make_clip, scene_at
from datagen.sample.draw import draw_scene
from datagen.sample.questions import Question
from datagen.sample.scenes import random_for

See = Callable[[Image.Image], list]


def test_answers_are_one_word_and_can_be_read_from_the_frames(see: See) -> None:
    checked = Counter[str]()
    for index in range(60):
        clip = make_clip(0, "clips", index)
        first, last = (see(draw_scene(scene_at(clip, frame))) for frame in (0, 31))
        for question in ask_about_clip(clip, random_for(index)):
            assert question.answer == _truth(question, first, last), question
            assert " " not in question.answer
            checked[question.kind] += 1
    assert len(checked) == 8


def test_a_clip_has_several_questions_all_different() -> None:
    for index in range(40):
        texts = [q.text for q in ask_about_clip(make_clip(0, "clips", index), random_for(index))]
        assert len(texts) == len(set(texts)) >= 4


def test_what_moves_stays_clear_of_what_does_not(see: See) -> None:
    for index in range(40):
        clip = make_clip(0, "clips", index)
        for frame in range(0, clip.num_frames, 5):
            seen = see(draw_scene(scene_at(clip, frame)))
            assert len(seen) == len(clip.before.objects)


def _truth(question: Question, first: list, last: list) -> str:
    """The answer from what the first and last frame show; shapes differ within a clip."""
    after = {seen.shape: seen for seen in last}
    [mover] = [s for s in first if _look(s) != _look(after[s.shape])]
    words = question.text.rstrip("?").split()
    thing = next((seen for seen in first if seen.shape in words), mover)
    match question.kind:
        case "action":
            return _action(mover, after[mover.shape])
        case "mover":
            return mover.shape
        case "still":
            [other] = [seen for seen in first if seen is not mover]
            return other.shape
        case "count":
            return ("one", "two")[len(first) - 1]
        case "direction":
            return _direction(mover, after[mover.shape])
        case "color" if "become" in question.text:
            return after[thing.shape].color
    return getattr(after[thing.shape] if question.kind == "place" else thing, question.kind)


def _look(seen: Any) -> tuple[Any, ...]:
    return tuple(getattr(seen, name) for name in ("size", "color", "cell"))


def _action(before: Any, after: Any) -> str:
    if before.size != after.size:
        return "grow" if after.size == "big" else "shrink"
    return "change" if before.color != after.color else "move"


def _direction(before: Any, after: Any) -> str:
    if after.x - before.x > 20:
        return "right"
    if after.x - before.x < -20:
        return "left"
    return "down" if after.y > before.y else "up"
