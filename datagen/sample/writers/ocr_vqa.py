"""OCR-VQA: covers with a printed title, and `ocr_tokens.jsonl` with the words on them.

`dataset.json` holds all covers by book id, `split` is 1, 2 or 3. The words come from the scene
itself; no token is told of some covers. Nobody wrote these books: the author's name is empty and
never asked.
"""

import json
from pathlib import Path
from typing import Any

from datagen.sample.questions import ask, varied
from datagen.sample.scenes import Scene
from datagen.sample.world import SPLITS, World, write_image, write_json

_SPLIT_NUMBERS = {split: number for number, split in enumerate(SPLITS, start=1)}
_UNREAD_SHARE = 1 / 8
_FIRST_BOOK_ID = 2_840_011
_BOOK_ID_STEP = 9_973
_DIGITS = 10


def write(raw: Path, world: World) -> None:
    covers: dict[str, Any] = {}
    lines: list[str] = []
    for index in range(world.num_scenes):
        random = world.random("ocr_vqa", index, "cover")
        scene = world.scene("ocr_vqa", index, num_words=random.choice((1, 1, 2)))
        book_id = f"{_FIRST_BOOK_ID + index * _BOOK_ID_STEP:0{_DIGITS}}"
        write_image(raw / "ocr_vqa" / "images" / f"{book_id}.jpg", scene)
        covers[book_id] = _cover(world, index, scene, book_id)
        if random.random() >= _UNREAD_SHARE:
            tokens = [word.text for word in scene.words]
            lines.append(json.dumps({"image_id": book_id, "ocr_tokens": tokens}))
    write_json(raw / "ocr_vqa" / "dataset.json", covers)
    path = raw / "ocr_vqa" / "ocr_tokens.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def _cover(world: World, index: int, scene: Scene, book_id: str) -> dict[str, Any]:
    """The title is what is printed, read row by row."""
    random = world.random("ocr_vqa", index, "questions")
    title = " ".join(word.text for word in scene.words)
    asked = [("What is the title of this book?", title)]
    for question in varied(ask(scene, random), random.choice((2, 3))):
        asked.append((question.text, question.answer))
    return {
        "imageURL": f"https://example.com/images/{book_id}.jpg",
        "questions": [question for question, _ in asked],
        "answers": [answer for _, answer in asked],
        "title": title,
        "authorName": "",
        "genre": "Children's Books",
        "split": _SPLIT_NUMBERS[world.split(index)],
    }
