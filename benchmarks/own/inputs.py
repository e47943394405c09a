"""Writes the files that both contestants read, the source files, and large files of long rows."""

import csv
import json
import random
from pathlib import Path

from PIL import Image

from benchmarks.harness.generate import WORDS, write_vqav2

QUESTIONS = "vqav2/v2_OpenEnded_mscoco_train2014_questions.json"
ANNOTATIONS = "vqav2/v2_mscoco_train2014_annotations.json"
STATEMENTS = "vsr/zeroshot/train.jsonl"
NUM_IMAGES = 1
SOURCE_FILES = {
    "own_vqav2": f"""
task: vqa
files: {{train: {QUESTIONS}}}
rows: questions
join: {{file: {ANNOTATIONS}, rows: annotations, by: question_id}}
columns: {{question: question, answers: "annotations.answers[].answer", id: question_id}}
images: {{root: images/coco, pattern: "train2014/COCO_train2014_{{image_id:012d}}.jpg"}}
""",
    "own_vsr": f"""
task: statement
files: {{train: {STATEMENTS}}}
columns: {{image: image, statement: caption, label: label}}
answer: {{true_words: ["1"], false_words: ["0"]}}
images: {{root: images/coco/train2017}}
""",
    "large_csv": """
task: vqa
files: large.csv
columns: {image: photo, question: question, answers: answer, id: number}
images: {root: photos}
""",
    "large_json": """
task: vqa
files: large.json
rows: data.items
columns: {image: photo, question: question, answers: answer, id: number}
images: {root: photos}
""",
}
CSV_SHARE, JSON_SHARE = 1.0, 0.6  # of the rows: 500 MB and 300 MB of 100,000
LONG_BYTES = 5_000  # of a row in a large file, most of it in a column that is not used


def write_inputs(folder: Path, rows: int) -> None:
    """Write all inputs into `folder`, the raw folder of the built-in adapters."""
    write_vqav2(folder, rows, num_images=NUM_IMAGES)
    write_statements(folder / STATEMENTS, rows)
    write_large_csv(folder / "large.csv", int(rows * CSV_SHARE))
    write_large_json(folder / "large.json", int(rows * JSON_SHARE))
    for path in (
        "images/coco/train2014/COCO_train2014_000000000001.jpg",
        "images/coco/train2017/000000000001.jpg",
        "photos/1.jpg",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48)).save(folder / path)
    for name, text in SOURCE_FILES.items():
        (folder / f"{name}.yaml").write_text(f"name: {name}{text}")


def write_statements(path: Path, num_rows: int) -> None:
    """Statements of VSR, as many fields as the real ones, about one image."""
    rng = random.Random(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for number in range(num_rows):
            caption = " ".join(rng.choices(WORDS, k=rng.randint(5, 12)))
            row = {
                "image": "000000000001.jpg",
                "image_link": "http://images.cocodataset.org/train2017/000000000001.jpg",
                "caption": f"{caption} {number}.",
                "label": number % 2,
                "relation": "in front of",
                "subj": "dog",
                "obj": "table",
                "annotator_id": 31,
                "vote_true_validator_id": [2, 20],
                "vote_false_validator_id": [],
            }
            file.write(json.dumps(row) + "\n")


def long_row(number: int, rng: random.Random) -> dict[str, str]:
    notes = " ".join(rng.choices(WORDS, k=40))
    return {
        "number": str(number),
        "photo": "1.jpg",
        "question": " ".join(rng.choices(WORDS, k=8)) + "?",
        "answer": rng.choice(WORDS),
        "notes": (notes + "; ") * (LONG_BYTES // len(notes)),
    }


def write_large_csv(path: Path, num_rows: int) -> None:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, long_row(0, rng))
        writer.writeheader()
        writer.writerows(long_row(number, rng) for number in range(num_rows))


def write_large_json(path: Path, num_rows: int) -> None:
    rng = random.Random(0)
    with path.open("w") as file:
        file.write('{"data": {"items": [')
        for number in range(num_rows):
            file.write((", " if number else "") + json.dumps(long_row(number, rng)))
        file.write("]}}")
