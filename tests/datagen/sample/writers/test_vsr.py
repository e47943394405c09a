import json
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from datagen.sample.world import World
from datagen.sample.writers.vsr import write, write_random

NAMES = ("train", "dev", "test")


def rows(raw: Path, folder: str, name: str) -> list[dict[str, object]]:
    text = (raw / "vsr" / folder / f"{name}.jsonl").read_text(encoding="ascii")
    return [json.loads(line) for line in text.splitlines()]


def test_labels_are_what_the_pixels_show(tmp_path: Path, see: Callable, answer: Callable) -> None:
    write(tmp_path, World(seed=0, num_scenes=60))
    checked = 0
    for name in NAMES:
        for row in rows(tmp_path, "zeroshot", name):
            folder = row["image_link"].split("/")[-2]
            seen = see(Image.open(tmp_path / "images/coco" / folder / row["image"]))
            if row["caption"].startswith("There is "):
                assert row["label"] == 1
                continue
            if row["relation"] in ("in", "on", "at"):
                thing, place = re.fullmatch(
                    r"The (.+) is (?:in|on|at) the (.+) of the picture\.", row["caption"]
                ).groups()
                given = answer(seen, f"Where is the {thing}?") == place
            else:
                one, relation, other = re.fullmatch(
                    rf"The (.+) is ({row['relation']}) the (.+)\.", row["caption"]
                ).groups()
                given = answer(seen, f"Is the {one} {relation} the {other}?") == "yes"
            assert row["label"] == given, row
            checked += 1
    assert checked > 80


def test_half_of_the_statements_are_true_and_validators_agree(tmp_path: Path) -> None:
    write(tmp_path, World(seed=0, num_scenes=300))
    found = [row for name in NAMES for row in rows(tmp_path, "zeroshot", name)]
    assert 0.4 < sum(row["label"] for row in found) / len(found) < 0.6
    for row in found:
        assert (row["vote_false_validator_id"] == "[]") == (row["label"] == 1)
        assert (row["vote_true_validator_id"] == "[]") == (row["label"] == 0)


def test_images_of_evaluation_are_never_trained_on(tmp_path: Path) -> None:
    world = World(seed=0, num_scenes=60)
    write(tmp_path, world)
    trained = {f"{p.image_id:012d}.jpg" for p in world.coco("train", "restval")}
    images = {n: {row["image"] for row in rows(tmp_path, "zeroshot", n)} for n in NAMES}
    assert images["train"] <= trained
    assert not (images["dev"] | images["test"]) & trained
    assert not images["dev"] & images["test"]


def test_no_split_is_empty_whatever_the_scenes(tmp_path: Path) -> None:
    for seed in range(30):
        write(tmp_path / str(seed), World(seed=seed, num_scenes=12))
        assert all(rows(tmp_path / str(seed), "zeroshot", name) for name in NAMES)


def test_the_random_split_says_the_same_with_lists(tmp_path: Path) -> None:
    world = World(seed=0, num_scenes=20)
    write(tmp_path, world)
    write_random(tmp_path, world)
    for name in NAMES:
        texts, lists = rows(tmp_path, "zeroshot", name), rows(tmp_path, "random", name)
        for row in lists:
            for votes in ("vote_true_validator_id", "vote_false_validator_id"):
                row[votes] = str(row[votes])
        assert lists == texts
