import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from datagen.build.totals import RejectLimitError
from datagen.media.web_names import url_hash
from datagen.sample.world import World
from datagen.sample.writers.web_capfilt import write, write_lavis
from datagen.sources.web_capfilt import SPLITS

ONLY = {"sources": ["web_capfilt"]}
KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, **ONLY}
LARGE = "web_capfilt/ccs_synthetic_filtered_large.json"
URL = "https://example.com/a.jpg"
HASH = "276a1ac00ba4f0ea47eeeafca24284f4"


def row(caption: Any = "a cat", url: Any = URL) -> dict[str, Any]:
    return {"caption": caption, "url": url}


def records(building: Any) -> dict[str, Any]:
    return {r.record_id: r for r in building.records("web_capfilt", "train")}


def test_a_images_place_follows_from_its_address(raw: Any, build: Any) -> None:
    raw.json(LARGE, [row(" a cat\n"), row("a dog", "https://example.com/b.png?x=1")])
    found = records(build(**KEEP))
    assert set(found) == {"web_capfilt/train/0", "web_capfilt/train/1"}
    cat = found["web_capfilt/train/0"]
    assert cat.images[0].path == f"web_capfilt/27/{HASH}.jpg"
    assert cat.group_id == f"web_capfilt:{HASH}"
    assert cat.captions == cat.references == ("a cat",)
    assert (cat.target, cat.task) == ("a cat", "caption")
    assert found["web_capfilt/train/1"].images[0].path.endswith(".jpg")


@pytest.mark.parametrize("url", ["https://example.com/ä.jpg", " https://example.com/a.jpg", "x"])
def test_the_address_is_hashed_just_as_the_row_gives_it(raw: Any, build: Any, url: str) -> None:
    raw.json(LARGE, [row(url=url)])
    (record,) = records(build(**KEEP)).values()
    name = hashlib.sha256(url.encode()).hexdigest()[:32]
    assert record.images[0].path == f"web_capfilt/{name[:2]}/{name}.jpg"
    assert url_hash(url) == name


def test_captions_of_one_address_share_their_image(raw: Any, build: Any) -> None:
    raw.json(LARGE, [row("a cat"), row("a cat on a mat")])
    found = records(build(**KEEP))
    assert {r.group_id for r in found.values()} == {f"web_capfilt:{HASH}"}
    assert [found[f"web_capfilt/train/{n}"].target for n in (0, 1)] == ["a cat", "a cat on a mat"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(" \n"), "empty_text"),
        (row(url=" "), "empty_text"),
        (row(url=None), "malformed_row"),
        ({"caption": "no address"}, "malformed_row"),
        (row("x" * 40_000), "text_too_long"),
        (row(url="x" * 40_000), "text_too_long"),
    ],
)
def test_a_bad_row_is_rejected_and_counts_as_a_row(
    raw: Any, build: Any, bad: Any, reason: str
) -> None:
    raw.json(LARGE, [row(), bad, row("a dog")])
    building = build(**KEEP)
    assert set(records(building)) == {"web_capfilt/train/0", "web_capfilt/train/2"}
    (rejection,) = building.rejections("web_capfilt")
    assert (rejection.row, rejection.reason) == (1, reason)


def test_of_several_lists_the_first_in_the_order_of_preference_is_read(
    raw: Any, build: Any
) -> None:
    order = [
        "annotation",
        "ccs_synthetic_filtered_large",
        "ccs_synthetic_filtered",
        "ccs_filtered",
        "laion_synthetic_filtered_large",
        "laion_synthetic_filtered",
        "laion_filtered",
    ]
    assert [layout.rows.file for layout in SPLITS] == [f"{name}.json" for name in order]
    for number, name in enumerate(reversed(order)):
        raw.json(f"web_capfilt/{name}.json", [row(name) | {"image": "a/b.jpg"}])
        building = build(f"out{number}", **KEEP)
        (record,) = records(building).values()
        assert record.target == name
        layout = building.manifest.split("web_capfilt", "train").layout
        assert layout == {"annotation": "lavis"}.get(name, name)


def test_lavis_rows_say_where_their_image_is(raw: Any, build: Any) -> None:
    paths = ["00/a.jpg", "../a.jpg", "/export/a.jpg", ""]
    rows = [{"image": path, "caption": "a cat"} for path in paths]
    raw.json("web_capfilt/annotation.json", rows)
    building = build(**KEEP)
    (record,) = records(building).values()
    assert record.images[0].path == "web_capfilt/00/a.jpg"
    assert record.group_id == "web_capfilt:00/a.jpg"
    rejected = [(each.row, each.reason) for each in building.rejections("web_capfilt")]
    assert rejected == [(1, "unsafe_path"), (2, "unsafe_path"), (3, "unsafe_path")]


def test_half_of_the_images_may_be_missing(raw: Any, prepare: Any) -> None:
    raw.image(f"images/web_capfilt/27/{HASH}.jpg")
    raw.json(LARGE, [row(), row("a dog", "https://example.com/dead.jpg")])
    building = prepare(**ONLY).run()
    entry = building.manifest.split("web_capfilt", "train")
    assert (entry.written, entry.rejected) == (1, {"media_missing": 1})
    raw.json(LARGE, [row(), *(row(url=f"https://example.com/dead{n}.jpg") for n in range(2))])
    with pytest.raises(RejectLimitError, match="2 of 3 records lack their image"):
        prepare("again", **ONLY).run()


def test_both_layouts_hold_the_same_captions(tmp_path: Path, prepare: Any) -> None:
    world = World(seed=0, num_scenes=12)
    found = []
    for name, write_layout in (("web", write), ("lavis", write_lavis)):
        write_layout(tmp_path / name, world)
        building = prepare(f"out-{name}", raw=tmp_path / name, **ONLY).run()
        found.append({n: (r.images[0].path, r.captions) for n, r in records(building).items()})
    assert found[0] == found[1]
    assert len(found[0]) == len(json.loads((tmp_path / "web" / LARGE).read_text())) > 12
