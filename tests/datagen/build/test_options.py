import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.build.options import MIN_MEMORY_BYTES, BuildOptions, make_options, parse_size
from datagen.errors import OptionError
from datagen.sources.declared.definition import Definition


def options(**values: object) -> BuildOptions:
    return make_options(**{"raw": "raw", "out": "out"} | values)


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ("1073741824", 1 << 30),
        ("4GB", 4 << 30),
        ("4gib", 4 << 30),
        ("512M", 512 << 20),
        ("1.5 GB", 3 << 29),
        (" 2T ", 2 << 40),
        ("3kb", 3 << 10),
        ("7B", 7),
    ],
)
def test_sizes_are_read_in_powers_of_1024(text: str, num_bytes: int) -> None:
    assert parse_size(text) == num_bytes


@pytest.mark.parametrize("text", ["", "much", "4XB", "-1GB", "1e9", "GB", "4 G B", "1,5GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size; write for example 4GB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"limit": 0}, "--limit: Input should be greater than or equal to 1"),
        ({"images": "embedded"}, "--images: Input should be 'reference' or 'embed'"),
        ({"missing_images": "drop"}, "--missing-images: String should match"),
        ({"max_reject_fraction": 1.5}, "--max-reject-fraction: .* less than or equal to 1"),
        ({"max_memory": "100MB"}, "--max-memory: .* greater than or equal to"),
        ({"max_memory": "much"}, "--max-memory: 'much' is not a size; write for example 4GB"),
        ({"max_reject_fracton": 0.1}, "--max-reject-fracton: Extra inputs are not permitted"),
        ({"mixture": {"rule": "square"}}, "--mixture-rule: Input should be 'sqrt'"),
        ({"images": "embed", "missing_images": "keep"}, "missing_images keep needs images refer"),
        ({"image_max_side": 384}, "image_max_side needs images embed"),
        ({"images": "embed", "image_max_side": 8}, "--image-max-side: .* than or equal to 16"),
        ({"sources": "vqav2"}, "--sources: Input should be a valid tuple"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        options(**values)


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        options(limit=-1, images="no", max_reject_fraction=7)
    assert [part.split(":")[0] for part in str(caught.value).split("; ")] == [
        "--limit",
        "--images",
        "--max-reject-fraction",
    ]


def test_the_identity_is_of_what_decides_about_the_output() -> None:
    identity = options(limit=5, seed=3).identity()
    assert identity["limit"] == 5
    assert identity["seed"] == 3
    elsewhere = make_options(
        raw="other",
        out="else",
        limit=5,
        seed=3,
        image_roots={"coco": "/data"},
        max_memory="4GB",
        template_dir="instruct",
    )
    assert elsewhere.identity() == identity


@pytest.mark.parametrize(
    "change",
    [
        {"limit": 1},
        {"images": "embed"},
        {"images": "embed", "image_max_side": 384},
        {"missing_images": "keep"},
        {"max_reject_fraction": 0.5},
        {"max_missing_fraction": 0.5},
        {"seed": 1},
        {"sources": ["vqav2"]},
        {"splits": ["train"]},
        {"mixture": {"rule": "uniform"}},
    ],
)
def test_whatever_may_change_the_output_changes_the_identity(change: dict[str, object]) -> None:
    assert options(**change).identity() != options().identity()


def test_the_order_and_number_of_names_change_nothing() -> None:
    one, other = (
        options(sources=["vqav2", "visdial", "vqav2"]),
        options(sources=["visdial", "vqav2"]),
    )
    assert one == other


@given(st.integers(0, 1 << 45), st.integers(MIN_MEMORY_BYTES, 1 << 40))
def test_a_range_is_a_small_part_of_the_file_and_of_the_memory(size: int, memory: int) -> None:
    num_bytes = options(max_memory=memory).range_bytes(size)
    assert 512 << 10 <= num_bytes <= 4 << 20
    assert num_bytes <= memory >> 8


def test_options_travel_to_workers_after_their_templates_were_compiled():
    definition = Definition(
        name="pumps",
        task="classification",
        files="pumps.csv",
        split_names=("train", "val"),
    )
    made = options(declared=[definition])
    assert made.templates_of("pumps").protocol is not None
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.templates_of("pumps").hash == made.templates_of("pumps").hash
