import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import RawDataError
from datagen.files import LocalFiles
from pipelines.fetch_images.lists import UrlList

URLS = ["http://a.example/1", "http://a.example/ü 2", "http://b.example/1"]
ROWS = [{"url": url, "caption": "x"} for url in URLS]


def opened(path: Path, column: str = "url") -> UrlList:
    return UrlList(LocalFiles(), str(path), column)


def test_every_format_gives_the_same_urls(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    texts = {
        "a.json": json.dumps(ROWS),
        "a.jsonl": lines,
        "a.csv": "caption,url\n" + "".join(f"x,{url}\n" for url in URLS),
        "a.tsv": "url\tcaption\n" + "".join(f"{url}\tx\n" for url in URLS),
        "a.txt": "\ufeff" + "\n\n".join(URLS),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    for path in tmp_path.iterdir():
        found = opened(path)
        assert list(found.urls()) == URLS, path
        assert (found.num_urls, found.problems()) == (3, [])


def test_the_column_may_lie_deeper_and_hold_several(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"image": {"src": "u1"}}\n{"image": {"src": ["u2", "u3"]}}\n')
    assert list(opened(path, "image.src").urls()) == ["u1", "u2", "u3"]


def test_rows_without_a_url_are_counted_and_the_first_is_described(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"url": "u1"}\n{"url": null}\n{"url": " "}\n{"url": 7}\n{"url": "\\ud800"}\nnonsense\n{}\n'
    )
    found = opened(path)
    assert list(found.urls()) == ["u1"]
    assert found.problems() == [
        "a.jsonl: 3 rows have no URL; first: a.jsonl, row 2, line 2",
        "a.jsonl: 3 rows cannot be read; first: a.jsonl, row 4, line 4: 7 is no URL",
    ]


def test_a_line_that_is_no_utf8_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"http://a.example/\n\xff\xfe\nhttp://b.example/\n")
    found = opened(path)
    assert len(list(found.urls())) == 2
    assert found.problems() == [
        "a.txt: 1 rows cannot be read; first: line 2 is not utf-8: invalid start byte"
    ]


@pytest.mark.parametrize("rows", [1, 5_000])
def test_a_missing_column_is_named_with_what_is_there(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("URL,caption\n" + "u,x\n" * rows)
    with pytest.raises(RawDataError, match=r"no column 'url' but URL, caption.*--url-column"):
        list(opened(path).urls())


def test_a_name_that_gives_no_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"")
    with pytest.raises(RawDataError, match=r"ends in none of \.json"):
        list(opened(path).urls())


def test_an_empty_list_has_no_urls(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[]")
    assert list(opened(path).urls()) == []
