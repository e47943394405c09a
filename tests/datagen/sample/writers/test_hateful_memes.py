import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from datagen.sample.world import World
from datagen.sample.writers.hateful_memes import write

FILES = ("train", "dev_seen", "dev_unseen", "test_seen", "test_unseen")


def test_a_meme_is_marked_if_its_text_is_false(
    tmp_path: Path, see: Callable, answer: Callable
) -> None:
    write(tmp_path, World(seed=0, num_scenes=60))
    folder = tmp_path / "hateful_memes"
    labels, images = [], []
    for name in FILES:
        rows = [json.loads(line) for line in (folder / f"{name}.jsonl").open(encoding="ascii")]
        assert rows
        for row in rows:
            seen = see(Image.open(folder / row["img"]))
            thing, _, given = row["text"].removeprefix("the ").partition(" is ")
            if row["text"].startswith("there is "):
                true = True
            elif given.startswith("a "):
                true = answer(seen, f"What shape is the {thing}?") == given.removeprefix("a ")
            elif given.split()[0] in ("in", "on", "at"):
                place = given.split(" ", 2)[2]
                true = answer(seen, f"Where is the {thing}?") == place
            else:
                true = answer(seen, f"Is the {thing} {given}?") == "yes"
            assert row["label"] == (not true), row
            assert row["img"] == f"img/{row['id']:05}.png"
            labels.append(row["label"])
            images.append(row["img"])
    assert 0.35 < sum(labels) / len(labels) < 0.65
    assert len(set(images)) == len(images) == len(list((folder / "img").iterdir()))
