"""Writes large official files of made-up text, for benchmarks only: no pictures, no sense, fixed seed."""

import json
import random
from pathlib import Path

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


def write_vqav2(raw: Path, num_questions: int, split: str = "train2014") -> None:
    """Questions and annotations of VQAv2: 10 answers each, as long as the real ones."""
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
    with questions.open("w") as asked, annotations.open("w") as answered:
        asked.write(f'{json.dumps(header)[:-1]}, "questions": [')
        answered.write(f'{json.dumps(header)[:-1]}, "annotations": [')
        for number in range(num_questions):
            image_id = number // 5 + 1
            question_id = image_id * 1000 + number % 5
            text = " ".join(rng.choices(WORDS, k=rng.randint(5, 12))).capitalize() + "?"
            likely = rng.choices(ANSWERS, k=3)
            answers = [
                {"answer": rng.choice(likely), "answer_confidence": "yes", "answer_id": n + 1}
                for n in range(10)
            ]
            comma = ", " if number else ""
            row = {"image_id": image_id, "question": text, "question_id": question_id}
            asked.write(comma + json.dumps(row))
            row = {
                "question_type": text.split()[0].lower(),
                "multiple_choice_answer": answers[0]["answer"],
                "answers": answers,
                "image_id": image_id,
                "answer_type": "other",
                "question_id": question_id,
            }
            answered.write(comma + json.dumps(row))
        asked.write("]}")
        answered.write("]}")


def write_capfilt(path: Path, num_bytes: int) -> None:
    """A list of short rows, as Web CapFilt has them."""
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
