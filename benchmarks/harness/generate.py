"""Writes large official files of made-up text, for benchmarks only: no images, no sense, fixed seed."""

import io
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

WORDS = [
    "what",
    "is",
    "the",
    "color",
    "of",
    "man",
    "woman",
    "dog",
    "cat",
    "holding",
    "standing",
    "near",
    "table",
    "red",
    "blue",
    "how",
    "many",
    "people",
    "are",
    "there",
    "in",
    "this",
    "picture",
    "where",
    "does",
    "sit",
]
ANSWERS = [
    "yes",
    "no",
    "red",
    "blue",
    "white",
    "2",
    "3",
    "1",
    "dog",
    "cat",
    "tennis",
    "frisbee",
    "pizza",
    "man",
    "woman",
    "black",
    "green",
    "left",
    "right",
    "kitchen",
]


def write_vqav2(
    raw: Path, num_questions: int, split: str = "train2014", num_images: int | None = None
) -> None:
    """Questions and annotations of VQAv2: 10 answers each, as long as the real ones.

    An image has five questions, or as many as it takes with `num_images`.
    """
    rng = random.Random(0)
    folder = raw / "vqav2"
    folder.mkdir(parents=True, exist_ok=True)
    header = {
        "info": {"version": "2.0"},
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "license": {"name": "CC BY 4.0"},
        "data_subtype": split,
    }
    questions = folder / f"v2_OpenEnded_mscoco_{split}_questions.json"
    annotations = folder / f"v2_mscoco_{split}_annotations.json"
    with questions.open("w") as questions_file, annotations.open("w") as answered:
        questions_file.write(f'{json.dumps(header)[:-1]}, "questions": [')
        answered.write(f'{json.dumps(header)[:-1]}, "annotations": [')
        for number in range(num_questions):
            image_id = number // 5 + 1
            question_id = image_id * 1000 + number % 5
            if num_images is not None:
                image_id = (image_id - 1) % num_images + 1
            text = " ".join(rng.choices(WORDS, k=rng.randint(5, 12))).capitalize() + "?"
            likely = rng.choices(ANSWERS, k=3)
            answers = [
                {"answer": rng.choice(likely), "answer_confidence": "yes", "answer_id": n + 1}
                for n in range(10)
            ]
            comma = ", " if number else ""
            row = {"image_id": image_id, "question": text, "question_id": question_id}
            questions_file.write(comma + json.dumps(row))
            row = {
                "question_type": text.split()[0].lower(),
                "multiple_choice_answer": answers[0]["answer"],
                "answers": answers,
                "image_id": image_id,
                "answer_type": "other",
                "question_id": question_id,
            }
            answered.write(comma + json.dumps(row))
        questions_file.write("]}")
        answered.write("]}")


def write_captions(path: Path, num_rows: int) -> None:
    """A list of `num_rows` short rows, as Web CapFilt has them; captions repeat, addresses do not."""
    rng = random.Random(0)
    captions = [" ".join(rng.choices(WORDS, k=rng.randint(5, 12))) for _ in range(50_021)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.write("[")
        for number in range(num_rows):
            url = f"http://example.org/{number * 0x9E3779B97F4A7C15 % (1 << 64):x}.jpg"
            caption = captions[number % len(captions)]
            file.write(f'{", " if number else ""}{{"url": "{url}", "caption": "{caption}"}}')
        file.write("]")


def write_capfilt(path: Path, num_bytes: int) -> None:
    """A list of short rows, as Web CapFilt has them, of about `num_bytes`."""
    rng = random.Random(0)
    with path.open("w") as file:
        file.write("[")
        written = 0
        while file.tell() < num_bytes if written % 1000 == 0 else True:
            caption = " ".join(rng.choices(WORDS, k=rng.randint(5, 12)))
            row = {"url": f"http://example.org/{rng.getrandbits(60):x}.jpg", "caption": caption}
            file.write((", " if written else "") + json.dumps(row))
            written += 1
        file.write("]")


def write_images(raw: Path, num_images: int, num_distinct: int = 200, quality: int = 70) -> None:
    """COCO training images of noise, about 47 KB each, and a caption for each in LAVIS's layout.

    `num_distinct` of them are drawn; the others differ from those in a comment only. With a JPEG `quality` of 88, they
    have about 100 KB.
    """
    images = raw / "images" / "coco" / "train2014"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    drawn = [image(rng, quality) for _ in range(min(num_distinct, num_images))]
    rows = []
    for number in range(1, num_images + 1):
        comment = b"%012d" % number + rng.bytes(int(rng.integers(0, 2_000)))
        jpeg = drawn[number % len(drawn)]
        marked = jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + jpeg[2:]
        name = f"COCO_train2014_{number:012d}.jpg"
        (images / name).write_bytes(marked)
        caption = " ".join(rng.choice(WORDS, size=10))
        rows.append(
            {"caption": caption, "image": f"train2014/{name}", "image_id": f"coco_{number}"}
        )
    folder = raw / "coco_caption"
    folder.mkdir()
    (folder / "coco_karpathy_train.json").write_text(json.dumps(rows))


def image(rng: np.random.Generator, quality: int = 70) -> bytes:
    """A 640x480 JPEG of smooth colours under noise."""
    rows, columns = np.mgrid[0:480, 0:640]
    waves = rng.integers(20, 80, size=(3, 2))
    smooth = [np.sin(columns / across) + np.cos(rows / down) for across, down in waves]
    noisy = 128 + 60 * np.stack(smooth, axis=-1) + rng.normal(0, 11, (480, 640, 3))
    data = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(data, "JPEG", quality=quality)
    return data.getvalue()
