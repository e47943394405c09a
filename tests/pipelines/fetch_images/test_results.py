from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import OutputError
from datagen.files import LocalFiles
from pipelines.fetch_images.results import (
    FLUSH_ROWS,
    HeldResults,
    LoggedResults,
    Result,
    ResultLog,
    merge,
)

FILES = LocalFiles()


def log(folder: Path, rows: list[Result]) -> LoggedResults:
    folder.mkdir(exist_ok=True)
    writer = ResultLog(FILES, str(folder), 0)
    for row in rows:
        writer.add(row)
    writer.flush()
    return LoggedResults(FILES, str(folder))


def image(url: str) -> Result:
    return Result(url, f"{url}.jpg", 200, bytes=7, sha256="ab", width=3, height=2)


def failed(url: str, reason: str = "not_found") -> Result:
    return Result(url, status=404, reason=reason, message="m")


def rows(out: Path) -> list[dict[str, object]]:
    return pq.read_table(out / "results.parquet").to_pylist()


def test_results_become_one_file_whose_rows_say_everything(tmp_path: Path) -> None:
    logged = log(tmp_path / "log", [image("a"), failed("b")])
    counts = merge(FILES, HeldResults(FILES, str(tmp_path)), logged, 300)
    assert counts == {"fetched": 1, "not_found": 1}
    assert rows(tmp_path) == [
        {
            "url": "a",
            "path": "a.jpg",
            "status": 200,
            "reason": None,
            "message": None,
            "bytes": 7,
            "sha256": "ab",
            "width": 3,
            "height": 2,
        },
        {
            "url": "b",
            "path": None,
            "status": 404,
            "reason": "not_found",
            "message": "m",
            "bytes": None,
            "sha256": None,
            "width": None,
            "height": None,
        },
    ]
    held = HeldResults(FILES, str(tmp_path))
    assert held.max_side == "300"
    assert list(held.done(())) == ["a", "b"]
    assert list(held.done({"not_found"})) == ["a"]


def test_a_new_result_replaces_the_held_one_and_an_image_a_failure(tmp_path: Path) -> None:
    first = log(tmp_path / "1", [image("a"), failed("b"), failed("c")])
    merge(FILES, HeldResults(FILES, str(tmp_path)), first, None)
    second = log(tmp_path / "2", [failed("b", "gone"), image("d"), image("b"), failed("d")])
    counts = merge(FILES, HeldResults(FILES, str(tmp_path)), second, None)
    assert counts == {"fetched": 3, "not_found": 1}
    found = {row["url"]: row["reason"] for row in rows(tmp_path)}
    assert found == {"a": None, "b": None, "c": "not_found", "d": None}


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    logged = log(tmp_path / "log", [image("a"), failed("b")])
    for _ in range(2):
        counts = merge(FILES, HeldResults(FILES, str(tmp_path)), logged, None)
    assert counts == {"fetched": 1, "not_found": 1}


def test_no_results_are_a_file_without_rows(tmp_path: Path) -> None:
    merge(FILES, HeldResults(FILES, str(tmp_path)), log(tmp_path / "log", []), None)
    assert rows(tmp_path) == []


def test_results_are_written_before_they_are_many(tmp_path: Path) -> None:
    writer = ResultLog(FILES, str(tmp_path), 3)
    for number in range(FLUSH_ROWS + 1):
        writer.add(image(str(number)))
    logged = LoggedResults(FILES, str(tmp_path))
    assert len(logged) == FLUSH_ROWS
    writer.flush()
    assert len(logged) == FLUSH_ROWS + 1
    assert [len(rows) for rows in logged] == [FLUSH_ROWS, 1]


@pytest.mark.parametrize("content", [b"nonsense", None])
def test_a_file_of_that_name_that_is_another_is_not_overwritten(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "results.parquet"
    if content is None:
        pq.write_table(pa.table({"url": ["a"]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(OutputError, match="no result file of fetch-images"):
        HeldResults(FILES, str(tmp_path))
