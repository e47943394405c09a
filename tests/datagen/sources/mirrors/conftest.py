"""Copies of mirrors, made of the sample's publishers' files: the mirrors' very columns and types."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.sources.mirrors.mirror import Mirror, read_mirror

Row: TypeAlias = dict[str, Any]

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
UNSEEN = {
    "aokvqa.question_id": "string",
    "aokvqa.choices": "list of string",
    "aokvqa.direct_answers": "string",
    "aokvqa.difficult_direct_answer": "bool",
    "textcaps.question_id": "string",
    "textcaps.question": "string",
    "textcaps.image_classes": "list of string",
    "textcaps.caption_id": "list of int64",
    "nocaps.annotations_ids": "list of int64",
}
"""Types that were not seen, as the copies have them."""


def arrow_type(text: str) -> pa.DataType:
    """The type that a mirror's file means: `list of {word: string}`."""
    if text.startswith("list of "):
        return pa.list_(arrow_type(text.removeprefix("list of ")))
    if text.startswith("{"):
        fields = re.findall(r"(\w+): (\{[^}]*\}|[^,{}]+)", text[1:-1])
        return pa.struct({name: arrow_type(each) for name, each in fields})
    if text.startswith("class label"):
        return pa.int64()
    named = {"image": IMAGE, "int": pa.int64(), "bool": pa.bool_(), "string": pa.string()}
    return named.get(text) or pa.type_for_alias(text)


class Sample:
    """The publishers' files of the sample."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw

    def json(self, name: str) -> Any:
        return json.loads((self.raw / name).read_text(encoding="utf-8"))

    def lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in (self.raw / name).read_text("utf-8").splitlines()]

    def image(self, name: str) -> Row:
        return {"bytes": (self.raw / name).read_bytes(), "path": Path(name).name}


def vqav2(sample: Sample, split: str) -> Iterator[Row]:
    name = {"train": "train2014", "val": "val2014", "test_dev": "test-dev2015", "test": "test2015"}
    questions = sample.json(f"vqav2/v2_OpenEnded_mscoco_{name[split]}_questions.json")["questions"]
    found: dict[int, Row] = {}
    if not split.startswith("test"):
        file = f"vqav2/v2_mscoco_{name[split]}_annotations.json"
        found = {row["question_id"]: row for row in sample.json(file)["annotations"]}
    yield from ({**row, **found.get(row["question_id"], {})} for row in questions)


def aokvqa(sample: Sample, split: str) -> Iterator[Row]:
    for row in sample.json(f"aokvqa/aokvqa_v1p0_{split}.json"):
        image = sample.image(f"images/coco/{split}2017/{row['image_id']:012d}.jpg")
        answers = row.get("direct_answers")
        yield {**row, "image": image, "direct_answers": None if answers is None else str(answers)}


def textcaps(sample: Sample, split: str) -> Iterator[Row]:
    by_image: dict[str, list[Row]] = {}
    for row in sample.json(f"textcaps/TextCaps_0.1_{split}.json")["data"]:
        by_image.setdefault(row["image_id"], []).append(row)
    folder = "test_images" if split == "test" else "train_images"
    for image_id, rows in by_image.items():
        yield {
            **rows[0],
            "image": sample.image(f"images/textvqa/{folder}/{image_id}.jpg"),
            "caption_id": [row["caption_id"] for row in rows if "caption_id" in row],
            "caption_str": [row["caption_str"] for row in rows if "caption_str" in row],
        }


def textvqa(sample: Sample, split: str) -> Iterator[Row]:
    ocr = sample.json(f"textvqa/TextVQA_Rosetta_OCR_v0.2_{split}.json")["data"]
    tokens = {row["image_id"]: row["ocr_tokens"] for row in ocr}
    folder = "test_images" if split == "test" else "train_images"
    for row in sample.json(f"textvqa/TextVQA_0.5.1_{split}.json")["data"]:
        image = sample.image(f"images/textvqa/{folder}/{row['image_id']}.jpg")
        yield {**row, "image": image, "ocr_tokens": tokens.get(row["image_id"], [])}


def ocr_vqa(sample: Sample, split: str) -> Iterator[Row]:
    tokens = {
        row["image_id"]: row["ocr_tokens"] for row in sample.lines("ocr_vqa/ocr_tokens.jsonl")
    }
    number = {"train": 1, "val": 2, "test": 3}[split]
    for book, row in sample.json("ocr_vqa/dataset.json").items():
        if row["split"] == number:
            yield {
                **row,
                "image_id": book,
                "image": sample.image(f"ocr_vqa/images/{book}{Path(row['imageURL']).suffix}"),
                "image_url": row["imageURL"],
                "ocr_tokens": tokens.get(book, []),
            }


def nocaps(sample: Sample, split: str) -> Iterator[Row]:
    name = {"val": "nocaps_val_4500_captions.json", "test": "nocaps_test_image_info.json"}[split]
    document = sample.json(f"nocaps/{name}")
    for row in document["images"]:
        captions = [a for a in document.get("annotations", ()) if a["image_id"] == row["id"]]
        yield {
            **{f"image_{key}": value for key, value in row.items()},
            "image": sample.image(f"images/nocaps/{split}/{row['file_name']}"),
            "annotations_ids": [each["id"] for each in captions],
            "annotations_captions": [each["caption"] for each in captions],
        }


def flickr30k(sample: Sample, split: str) -> Iterator[Row]:
    for row in sample.json("flickr30k/dataset_flickr30k.json")["images"]:
        yield {
            "image": sample.image(f"images/flickr30k/{row['filename']}"),
            "caption": [each["raw"] for each in row["sentences"]],
            "sentids": [str(each["sentid"]) for each in row["sentences"]],
            "img_id": str(row["imgid"]),
            "filename": row["filename"],
        }


def vizwiz(sample: Sample, split: str) -> Iterator[Row]:
    for row in sample.json(f"vizwiz/{split}.json"):
        image = next(sample.raw.glob(f"images/vizwiz/**/{row['image']}"))
        yield {
            "question_id": row["image"].removesuffix(".jpg"),
            "image": sample.image(str(image.relative_to(sample.raw))),
            "question": row["question"],
            "answers": [each["answer"] for each in row.get("answers", ())],
            "category": row.get("answer_type", ""),
        }


def gqa(sample: Sample, split: str) -> Iterator[Row]:
    name = split.replace("_", "")
    for key, row in sample.json(f"gqa/{name}_balanced_questions.json").items():
        yield {**row, "id": key}


def gqa_pictures(sample: Sample, split: str) -> Iterator[Row]:
    for image_id in sorted({row["imageId"] for row in gqa(sample, split)}):
        yield {"id": image_id, "image": sample.image(f"images/gqa/{image_id}.jpg")}


def iconqa(sample: Sample, split: str) -> Iterator[Row]:
    for key, row in sample.json("iconqa/iconqa_data/problems.json").items():
        if row["split"] == split:
            folder = f"iconqa/iconqa_data/iconqa/{split}/{row['ques_type']}/{key}"
            choices = row.get("choices", ())
            yield {
                **row,
                "question_id": key,
                "choices": ",".join(map(str, choices)),
                "answer": str(row["answer"]),
                "query_image": sample.image(f"{folder}/image.png"),
            }


def scienceqa(sample: Sample, split: str) -> Iterator[Row]:
    for key, row in sample.json("scienceqa/problems.json").items():
        if row["split"] == split:
            name = f"scienceqa/{split}/{key}/image.png"
            yield {**row, "image": sample.image(name) if row["image"] else None}


def hateful_memes(sample: Sample, split: str) -> Iterator[Row]:
    for row in sample.lines(f"hateful_memes/{split}.jsonl"):
        yield {**row, "image": sample.image(f"hateful_memes/{row['img']}")}


PARQUET: Mapping[str, Callable[[Sample, str], Iterator[Row]]] = {
    each.__name__: each
    for each in (vqav2, aokvqa, textcaps, textvqa, ocr_vqa, nocaps, flickr30k, vizwiz, gqa, iconqa,
                 scienceqa, hateful_memes)
}  # fmt: skip
JSON = {
    "okvqa": {
        f"okvqa/{name}": f"okvqa/{name}"
        for split in ("train", "val")
        for name in (
            f"OpenEnded_mscoco_{split}2014_questions.json",
            f"mscoco_{split}2014_annotations.json",
        )
    },
    "coco_caption": {"mscoco_karpathy/karpathy_coco.json": "coco_caption/dataset_coco.json"},
    "flickr30k": {"dataset_flickr30k.json": "flickr30k/dataset_flickr30k.json"},
    "vsr": {f"{name}.jsonl": f"vsr/zeroshot/{name}.jsonl" for name in ("train", "dev", "test")},
    "llava_conversation": {"conversation_58k.json": "llava_instruct/conversation_58k.json"},
    "llava_detail": {"detail_23k.json": "llava_instruct/detail_23k.json"},
    "llava_reasoning": {"complex_reasoning_77k.json": "llava_instruct/complex_reasoning_77k.json"},
}
"""Files of a repository that are the publisher's."""


def arrow_schema(mirror: Mirror, columns: Mapping[str, str | None]) -> pa.Schema:
    """The schema of a mirror's Parquet files, with the features that `datasets` keeps in it."""
    types = {
        name: arrow_type(UNSEEN.get(f"{mirror.source}.{name}") or kind or "string")
        for name, kind in columns.items()
    }
    labels = {
        name: {"_type": "ClassLabel", "names": kind[len("class label [") : -1].split(", ")}
        for name, kind in columns.items()
        if kind and kind.startswith("class label")
    }
    features = {name: {"dtype": "x", "_type": "Value"} for name in columns} | labels
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(list(types.items()), metadata=metadata)


def write_parquet(path: Path, rows: Iterator[Row], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = schema.names
    table = pa.Table.from_pylist([{n: row.get(n) for n in names} for row in rows], schema)
    pq.write_table(table, path, row_group_size=10)


def readme(configs: Mapping[str, Mapping[str, str]]) -> str:
    """The header of a repository's README.md, as the Hub writes it."""
    entries = [
        {"config_name": name, "data_files": [{"split": s, "path": p} for s, p in files.items()]}
        for name, files in configs.items()
    ]
    return f"---\nconfigs: {json.dumps(entries)}\n---\n"


def write_copy(source: str, sample: Sample, root: Path) -> Path:
    """Write a local copy of a source's mirror below `root`, and return its folder."""
    mirror = read_mirror(source)
    folder = root / mirror.repository
    for name, official in JSON.get(source, {}).items():
        home = root / "openflamingo/eval_benchmark" if source == "flickr30k" else folder
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes((sample.raw / official).read_bytes())
    if source == "gqa":
        write_gqa(mirror, sample, folder)
    elif source in PARQUET:
        schema = arrow_schema(mirror, mirror.columns)
        files = {}
        for split, each in mirror.splits.items():
            name = f"data/{each.name}-00000-of-00001.parquet"
            write_parquet(folder / name, PARQUET[source](sample, split), schema)
            files[each.name] = f"data/{each.name}-*"
        (folder / "README.md").write_text(readme({"default": files}))
    return folder


def write_gqa(mirror: Mirror, sample: Sample, folder: Path) -> None:
    configs = {}
    for split in mirror.splits:
        name = split.replace("_", "")
        for kind, rows, columns in (
            ("instructions", gqa, {**mirror.columns, **mirror.columns_of.get(split, {})}),
            ("images", gqa_pictures, mirror.joined_columns["picture"]),
        ):
            config = f"{name}_balanced_{kind}"
            path = f"{config}/{name}-00000-of-00001.parquet"
            write_parquet(folder / path, rows(sample, split), arrow_schema(mirror, columns))
            configs[config] = {name: f"{config}/{name}-*"}
    (folder / "README.md").write_text(readme(configs))


@pytest.fixture(scope="session")
def small_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The publishers' files of a small sample: to be read only."""
    from datagen.sample.write import write_sample

    raw = tmp_path_factory.mktemp("small") / "raw"
    write_sample(raw, num_scenes=14)
    return raw


@pytest.fixture
def copy_of(small_raw: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Writes a local copy of a source's mirror, and returns the folder to give as `--raw`."""
    root = tmp_path / "copies"
    root.mkdir()
    (root / "images").symlink_to(small_raw / "images")

    def copy(source: str) -> Path:
        write_copy(source, Sample(small_raw), root)
        return root

    return copy


@pytest.fixture
def schema_of() -> Callable[[str], pa.Schema]:
    """The schema of a mirror's Parquet files."""

    def schema(source: str) -> pa.Schema:
        mirror = read_mirror(source)
        return arrow_schema(mirror, mirror.columns)

    return schema
