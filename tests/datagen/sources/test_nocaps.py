from typing import Any

import pytest

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["nocaps"]}
VAL = "nocaps/nocaps_val_4500_captions.json"
TEST = "nocaps/nocaps_test_image_info.json"


def image(number: Any, name: str = "0013ea20", **changes: Any) -> dict[str, Any]:
    found = {
        "id": number,
        "open_images_id": name,
        "file_name": f"{name}.jpg",
        "domain": "near-domain",
        "license": 0,
    }
    return found | changes


def caption(number: int, image_id: int, text: Any = "a cat") -> dict[str, Any]:
    return {"id": number, "image_id": image_id, "caption": text}


def write(raw: Any, images: list[Any], annotations: list[Any]) -> None:
    raw.json(VAL, {"info": {}, "images": images, "annotations": annotations})


def outcomes(building: Any) -> list[tuple[int | None, str]]:
    return [(each.row, each.reason.value) for each in building.rejections("nocaps")]


def test_an_image_has_all_its_captions(raw: Any, build: Any) -> None:
    annotations = [caption(n, n % 2, f"caption\n{n}") for n in range(20)]
    write(raw, [image(0), image(1, "ff", domain="out-domain")], annotations)
    zero, one = sorted(build(**KEEP).records("nocaps", "val"), key=lambda r: r.record_id)
    assert (zero.record_id, one.record_id) == ("nocaps/val/0", "nocaps/val/1")
    assert zero.captions == zero.references == tuple(f"caption {n}" for n in range(0, 20, 2))
    assert zero.target in zero.references
    assert zero.images[0].path == "nocaps/val/0013ea20.jpg"
    assert zero.group_id == "openimages:0013ea20"
    assert (zero.tags, one.tags) == ({"domain": "near-domain"}, {"domain": "out-domain"})
    assert zero.instruction == "A short image description: "


@pytest.mark.parametrize("absent", [None, "", "\n"])
def test_an_absent_domain_leaves_no_tag(raw: Any, build: Any, absent: str | None) -> None:
    write(raw, [image(0, domain=absent)], [caption(1, 0)])
    (record,) = build(**KEEP).records("nocaps", "val")
    assert record.tags is None


def test_an_image_is_named_by_its_file_where_its_id_is_absent(raw: Any, build: Any) -> None:
    row = image(0, "abcd")
    del row["open_images_id"], row["domain"]
    write(raw, [row], [caption(1, 0)])
    (record,) = build(**KEEP).records("nocaps", "val")
    assert (record.group_id, record.tags) == ("openimages:abcd", None)


def test_captions_of_test_are_hidden(raw: Any, build: Any) -> None:
    row = image(0)
    del row["domain"]
    raw.json(TEST, {"info": {}, "images": [row]})
    building = build(**KEEP)
    (record,) = building.records("nocaps", "test")
    assert record.images[0].path == "nocaps/test/0013ea20.jpg"
    assert (record.captions, record.target, record.references) == (None, None, None)
    assert "val" not in building.manifest.splits["nocaps"]


def test_a_list_of_images_without_captions_is_not_vals_file(raw: Any, prepare: Any) -> None:
    raw.json("nocaps/nocaps_val_image_info.json", {"images": [image(0)]})
    raw.json(TEST, {"images": [image(1)]})
    (missing,) = prepare(**KEEP).plan.missing
    assert (missing.split, missing.lacks) == ("val", ("nocaps_val_4500_captions.json",))


@pytest.mark.parametrize(
    ("bad", "annotation", "reason"),
    [
        (image(1), [], "no_answers"),
        (image(1), [caption(8, 1), caption(9, 1, " ")], "empty_text"),
        (image(1), [caption(8, 1), caption(9, 1, 5)], "malformed_row"),
        (image(1, "../x"), [caption(8, 1)], "unsafe_path"),
        (image(1, file_name=None), [caption(8, 1)], "malformed_row"),
        (image(0, "ee"), [], "duplicate_id"),
    ],
)
def test_a_bad_image_is_rejected_alone(
    raw: Any, build: Any, bad: Any, annotation: list[Any], reason: str
) -> None:
    """References are all or none: a score over fewer would be another score."""
    images = [image(0), bad, image(2, "dd")]
    write(raw, images, [caption(1, 0), *annotation, caption(2, 2)])
    building = build(**KEEP)
    assert outcomes(building) == [(1, reason)]
    ids = {record.record_id for record in building.records("nocaps", "val")}
    assert ids == {"nocaps/val/0", "nocaps/val/2"}


def test_a_caption_of_no_image_is_rejected(raw: Any, build: Any) -> None:
    write(raw, [image(0)], [caption(1, 0), caption(2, 77)])
    building = build(**KEEP)
    assert outcomes(building) == [(None, "inconsistent_row")]
    assert len(building.records("nocaps", "val")) == 1
