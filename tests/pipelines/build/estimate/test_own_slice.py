"""Own data, of which only the first rows are read."""

import json
from pathlib import Path

import pytest

from datagen.build.options import make_options
from datagen.sources.declared.load import read_definitions
from pipelines.build.estimate import own_slice
from pipelines.build.estimate.estimate import estimate_build

ROWS = 30_000


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_the_rows_behind_the_slice_are_taken_to_be_like_it(
    raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """A document is indexed as a whole before its first row, lines are not: neither may count twice."""
    image = next((raw / "images/coco/train2014").iterdir())
    rows = [
        {"image": image.name, "q": f"What is {'very ' * 40}{n:05d}?", "a": "cat"}
        for n in range(ROWS)
    ]
    text = json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows))
    (tmp_path / f"rows.{suffix}").write_text(text)
    (tmp_path / "mine.yaml").write_text(
        f"name: mine\ntask: vqa\nfiles: rows.{suffix}\nlicence: mit\nimages: {{root: {image.parent}}}\n"
        "columns: {image: image, question: q, answers: a}\n"
    )
    monkeypatch.setattr(own_slice, "SLICE_BYTES", 1 << 20 if suffix == "json" else 2 << 20)
    options = make_options(
        out="nowhere", declared=tuple(read_definitions(str(tmp_path / "mine.yaml")))
    )
    found = estimate_build(options, slice_rows=200)
    (split,) = found.splits
    assert not split.is_exact
    assert found.rows == pytest.approx(ROWS, rel=0.05)
    assert found.records.value == pytest.approx(ROWS, rel=0.05)
    own = next(phase for phase in found.phases if phase.name == "own rows")
    assert own.cpu.high > own.cpu.value
    assert found.staging_bytes.value > len(text)  # normal rows are kept until the end
