import json
from typing import Any

import datasets
import msgspec
import pytest

from datagen.render import chance, draw, evaluation
from datagen.schema.answers import Answer
from datagen.schema.columns import CONSTANT_COLUMNS
from datagen.schema.example import Example, Turn
from datagen.schema.record import (
    DICTIONARY_COLUMNS,
    EXAMPLE_COLUMNS,
    SCHEMA,
    Image,
    Record,
    Video,
    file_schema,
)
from datagen.sources import load_source
from templates.library import load_templates


def test_a_record_has_the_columns_of_the_schema_in_their_order() -> None:
    assert list(Record.__struct_fields__) == SCHEMA.names
    assert set(DICTIONARY_COLUMNS) <= set(SCHEMA.names)
    assert set(CONSTANT_COLUMNS) <= set(SCHEMA.names)


def test_a_record_holds_every_field_of_an_example_but_the_clip() -> None:
    fields = set(Example.__struct_fields__) - {"example_id", "images", "video", "clip"}
    assert set(EXAMPLE_COLUMNS) == fields


def test_a_record_gives_back_its_example() -> None:
    record = Record(
        record_id="visdial/val/1#round2",
        source="visdial",
        split="val",
        task="dialog",
        group_id="visdial:1",
        template_id="protocol/visdial",
        instruction="?",
        images=(Image("visdial/a.jpg", b"x"), Image("visdial/b.jpg")),
        question="is it red",
        answers=(Answer("yes", 1),),
        candidates=("yes", "no"),
        correct_choice=0,
        dialog=(Turn("a", "b"),),
        tags={"kind": "x"},
        relevance=(1.0, 0.5),
    )
    example = record.example()
    assert example.example_id == record.record_id
    assert example.images == ("visdial/a.jpg", "visdial/b.jpg")
    assert example.video is None
    for name in EXAMPLE_COLUMNS:
        assert getattr(example, name) == getattr(record, name)


def test_frames_of_a_clip_are_not_the_examples_images() -> None:
    record = Record(
        record_id="msvd_qa/val/1",
        source="msvd_qa",
        split="val",
        task="video_qa",
        group_id="msvd:a",
        template_id="t",
        instruction="?",
        images=(Image("msvd/a.avi#t=0.250", b"x"),),
        video=Video("msvd/a.avi", (0.25,)),
    )
    example = record.example()
    assert (example.images, example.video) == (None, "msvd/a.avi")


@pytest.mark.parametrize("mode", ["referenced", "embedded"])
def test_every_record_of_the_sample_is_drawn_again_to_the_byte(
    request: pytest.FixtureRequest, mode: str
) -> None:
    building = request.getfixturevalue(mode)
    templates = load_templates("instruct")
    drawn_again = 0
    for source, splits in building.manifest.splits.items():
        spec = load_source(source).card.prompts
        for split in splits:
            protocol = None if split == "train" else templates.protocols.get(source)
            for record in building.records(source, split):
                example = record.example()
                if protocol is None:
                    again = draw(example, templates.of(spec), building.manifest.render_seed)
                else:
                    again = evaluation(
                        example, protocol, chance(0, 0, record.record_id), spec.title
                    )
                stored = (
                    record.template_id,
                    record.instruction,
                    record.target,
                    record.references,
                )
                assert again == stored
                drawn_again += 1
    assert drawn_again == sum(
        entry.written for splits in building.manifest.splits.values() for entry in splits.values()
    )


@pytest.mark.parametrize(("mode", "decode"), [("reference", False), ("embed", None)])
def test_the_schema_says_to_datasets_that_images_are_images(mode: Any, decode: Any) -> None:
    schema = file_schema(mode)
    assert schema.equals(SCHEMA)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    image = {"_type": "Image"} if decode is None else {"_type": "Image", "decode": False}
    assert features["images"] == [image]
    read = datasets.Features.from_arrow_schema(schema)
    assert read["images"] == datasets.List(datasets.Image(decode=mode == "embed"))
    assert list(read) == SCHEMA.names
    for name in set(SCHEMA.names) - {"images"}:
        assert read[name] == datasets.Features.from_arrow_schema(SCHEMA.remove_metadata())[name]


def test_a_record_is_immutable(referenced: Any) -> None:
    record = referenced.records("vqav2", "train")[0]
    with pytest.raises(AttributeError):
        record.question = "?"
    assert msgspec.structs.replace(record, question="?").question == "?"
