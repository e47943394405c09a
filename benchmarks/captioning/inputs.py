"""Made-up captions that repeat words as people do; the same for the same numbers."""

import random
from collections.abc import Iterator
from pathlib import Path

from trainer.evaluation.predictions.prediction import Prediction, write_predictions

REFERENCES = 5
IMAGES_FILE, MANY_FILE = "pictures.jsonl", "many.jsonl"
PER_IMAGE_FILE = "cider_per_picture.npy"
SEED = 0


def _words(text: str) -> list[str]:
    return text.split()


COMMON = _words(
    "a the of on in with and is at to an that are two standing next sitting by his front top it holding up "
    "her some while white from near black red group street table small"
)
THINGS = _words(
    "man woman dog cat train bus plate pizza bench horse kitchen field ball skateboard umbrella giraffe sheep "
    "snow-covered t-shirt women's o'clock 3 20 U.S. child's man-made"
)
SYLLABLES = _words("ba ber cal dan del dor fen gar hul jen kel lim mor nes pol ran sil tor ven wig")
NUM_RARE = 8_000
ENDS = (".",) * 8 + ("", "!", " .", "..")


def write_inputs(folder: Path, num_images: int, many: int) -> None:
    """Predictions of `images` images and, in a file of its own, of `many`."""
    write_predictions(folder / IMAGES_FILE, predictions(num_images))
    write_predictions(folder / MANY_FILE, predictions(many))


def predictions(num_images: int) -> Iterator[Prediction]:
    chance = random.Random(SEED)
    rare = ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 3))) for _ in range(NUM_RARE)]
    words = [*THINGS, *rare]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    for number in range(num_images):
        subjects = chance.choices(words, weights, k=6)
        captions = [_caption(chance, subjects) for _ in range(REFERENCES + 1)]
        yield Prediction(
            record_id=f"made-up/test/{number}",
            number=number,
            group_id=str(number),
            prompt="a photo of",
            output=captions[0].rstrip(".! "),
            references=tuple(captions[1:]),
        )


def _caption(chance: random.Random, subjects: list[str]) -> str:
    """About ten words, of which some are the image's."""
    length = max(7, round(chance.gauss(10.5, 2)))
    words = [
        chance.choice(subjects) if chance.random() < 0.4 else chance.choice(COMMON)
        for _ in range(length)
    ]
    if chance.random() < 0.1:
        words[length // 2] += ","
    return f"{words[0].capitalize()} {' '.join(words[1:])}{chance.choice(ENDS)}"
