import csv
import gzip
import io
from typing import Any

import pytest

from datagen.errors import OptionError, RawDataError, Reason
from datagen.sources.declared.readers import tables


def test_every_cell_is_text_as_it_stands_there(own: Any) -> None:
    own.put("a.csv", 'id,answer\n007,None\n1.50,N/A\n,""\n" x ",nan\n')
    assert own.read("a.csv") == [
        {"id": "007", "answer": "None"},
        {"id": "1.50", "answer": "N/A"},
        {"id": "", "answer": ""},
        {"id": " x ", "answer": "nan"},
    ]


def test_a_file_out_of_excel_is_read_with_the_lines_on_which_rows_begin(own: Any) -> None:
    text = 'Image File ;Question\r\na.png;"two\nlines"\r\nb.png;"a ""b"";c"\r\n\r\nc.png;q\r\n\r\n'
    own.put("a.csv", b"\xef\xbb\xbf" + text.encode())
    assert own.read("a.csv", format={"delimiter": ";"}) == [
        {"Image File": "a.png", "Question": "two\nlines"},
        {"Image File": "b.png", "Question": 'a "b";c'},
        {"Image File": "c.png", "Question": "q"},
    ]
    assert own.places() == [(1, 2), (2, 4), (3, 6)]


@pytest.mark.parametrize("delimiter", [None, ";"])
def test_the_separator_line_of_excel_is_no_row(own: Any, delimiter: str | None) -> None:
    own.put("a.csv", "sep=;\r\nimage;caption\r\na.png;a disc\r\n")
    assert own.read("a.csv", format={"delimiter": delimiter}) == [
        {"image": "a.png", "caption": "a disc"}
    ]
    assert own.places() == [(1, 3)]


def test_lines_that_end_in_carriage_returns_alone_are_lines(own: Any) -> None:
    own.put("a.csv", 'image,caption\ra.png,"a\rb"\rb.png,c\r')
    assert own.read("a.csv") == [
        {"image": "a.png", "caption": "a\rb"},
        {"image": "b.png", "caption": "c"},
    ]
    assert own.places() == [(1, 2), (2, 4)]


def test_tabs_part_the_cells_of_a_tsv_file(own: Any) -> None:
    own.put("a.tsv", "image\tcaption\na.png\ta, b\n")
    assert own.read("a.tsv") == [{"image": "a.png", "caption": "a, b"}]


def test_short_and_long_rows_are_rejected_with_their_counts(own: Any) -> None:
    own.put("a.csv", "image,caption\na.png\nb.png,one, two\nc.png,ok\n")
    assert own.read("a.csv") == [
        "malformed_row",
        "malformed_row",
        {"image": "c.png", "caption": "ok"},
    ]
    messages = [row.value.message for row in own.rows[:2]]
    assert messages[0] == "1 cells for 2 columns"
    assert messages[1].startswith("3 cells for 2 columns; a cell that holds the delimiter must be")
    assert own.places()[:2] == [(1, 2), (2, 3)]
    assert own.rows[1].text == "b.png,one, two"


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t")])
def test_cells_beyond_the_header_are_joined_where_that_is_said(
    own: Any, name: str, delimiter: str
) -> None:
    own.put(name, delimiter.join("ic") + "\n" + delimiter.join("abcd") + "\n" + "x\n")
    assert own.read(name, format={"extra_cells": "join"}) == [
        {"i": "a", "c": delimiter.join("bcd")},
        "malformed_row",
    ]


def test_quotes_are_characters_where_that_is_said(own: Any) -> None:
    own.put("a.txt", 'a.png#0\t"a disc\nb.png#0\t5" pipe\n')
    keys = {"delimiter": "\t", "quote": "", "header": ["token", "caption"]}
    assert own.read("a.txt", format=keys) == [
        {"token": "a.png#0", "caption": '"a disc'},
        {"token": "b.png#0", "caption": '5" pipe'},
    ]
    assert own.places() == [(1, 1), (2, 2)]


def test_a_text_file_must_say_how_its_lines_are_parted(own: Any) -> None:
    own.put("a.txt", "a.png a disc\n")
    with pytest.raises(OptionError, match=r"a\.txt can be anything; say how its lines are parted"):
        own.read("a.txt")


@pytest.mark.parametrize("after", ["", "b.png,fine\n", 'b.png,"fine"\nc.png,fine\n'])
def test_a_quote_that_is_never_closed_costs_its_own_line(own: Any, after: str) -> None:
    own.put("a.csv", f'image,caption\na.png,"open\n{after}')
    values = own.read("a.csv")
    assert values[0] == "malformed_row"
    assert [v["caption"] for v in values[1:]] == ["fine"] * after.count("fine")
    assert own.places() == [(n + 1, n + 2) for n in range(len(values))]


def test_a_quote_that_is_never_closed_is_noticed_in_bounded_memory(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_QUOTED_CHARS", 1_000)
    own.put("a.csv", 'image,caption\na.png,"open\n' + "b.png,fine\n" * 500)
    reason, message = own.rejected("a.csv")
    assert reason is Reason.MALFORMED_ROW
    assert "a quote is opened and never closed" in message
    assert len(own.rows) == 501
    assert own.places()[-1] == (501, 502)


def test_cells_may_be_longer_than_the_limit_of_csv(own: Any) -> None:
    long = "x" * 200_000
    longest = "y" * (5 << 20)
    own.put("a.csv", f'image,caption\na.png,{long}\nb.png,"{longest}"\n')
    assert [len(row["caption"]) for row in own.read("a.csv")] == [len(long), len(longest)]
    assert max(len(row.text) for row in own.rows) <= 4_000


def test_two_columns_of_one_name_are_refused(own: Any) -> None:
    own.put("a.csv", "image,caption, image\na,b,c\n")
    with pytest.raises(RawDataError, match=r"a\.csv has two columns 'image'; rename one"):
        own.read("a.csv")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_file_with_another_delimiter_is_refused_with_the_remedy(own: Any, delimiter: str) -> None:
    own.put("a.csv", delimiter.join(["image", "caption"]) + "\na\n")
    shown = {"\t": r"\\t"}.get(delimiter, rf"\{delimiter}")
    with pytest.raises(RawDataError, match=rf'give format: {{delimiter: "{shown}"}}'):
        own.read("a.csv")


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_header(own: Any, data: bytes) -> None:
    own.put("a.csv", data)
    with pytest.raises(RawDataError, match=r"a\.csv is empty: it has no header"):
        own.read("a.csv")


def test_a_header_alone_gives_no_rows(own: Any) -> None:
    own.put("a.csv", "image,caption")
    assert own.read("a.csv") == []


def test_a_wrong_byte_costs_its_row_and_is_named_by_its_offset(own: Any) -> None:
    data = b"image,caption\na.png,fine\nb.png,gr\xfcn\nc.png,gr\xc3\xbcn\n"
    own.put("a.csv", data)
    assert own.read("a.csv") == [
        {"image": "a.png", "caption": "fine"},
        "invalid_encoding",
        {"image": "c.png", "caption": "grün"},
    ]
    message = own.rows[1].value.message
    assert f"not utf-8: byte 0xfc at offset {data.index(0xFC)}; " in message
    assert "format: {encoding: cp1252}" in message
    own.rows[1].text.encode()


def test_a_wrong_byte_in_a_record_of_several_lines_has_the_offset_in_the_file(own: Any) -> None:
    data = b'\xef\xbb\xbfimage,caption\r\na.png,"\xc3\xbc\r\n\xe4"\r\n'
    own.put("a.csv", data)
    assert f"byte 0xe4 at offset {data.index(0xE4)}; " in own.rejected("a.csv")[1]


def test_a_wrong_byte_in_the_header_refuses_the_file(own: Any) -> None:
    own.put("a.csv", b"image,gr\xf6\xdfe\na,b\n")
    with pytest.raises(RawDataError, match=r"its header is not utf-8: byte 0xf6 at offset 8"):
        own.read("a.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "gbk", "utf-32"])
def test_a_declared_encoding_is_read(own: Any, encoding: str) -> None:
    text = "grün" if encoding != "gbk" else "圆盘"
    own.put("a.csv", f"image,caption\r\na.png,{text}\r\n".encode(encoding))
    assert own.read("a.csv", format={"encoding": encoding}) == [{"image": "a.png", "caption": text}]


def test_a_byte_that_cp1252_lacks_is_named_by_its_offset(own: Any) -> None:
    data = b"image,caption\na.png,\xfc\xfc \x81\n"
    own.put("a.csv", data)
    reason, message = own.rejected("a.csv", format={"encoding": "cp1252"})
    assert reason is Reason.INVALID_ENCODING
    assert f"not cp1252: byte 0x81 at offset {data.index(0x81)}" in message


def test_half_a_pair_in_utf_16_costs_its_row(own: Any) -> None:
    text = "image,caption\na.png,\ud83d\nb.png,😀\n"
    own.put("a.csv", b"\xff\xfe" + text.encode("utf-16-le", "surrogatepass"))
    values = own.read("a.csv", format={"encoding": "utf-16"})
    assert values == ["invalid_encoding", {"image": "b.png", "caption": "😀"}]
    offset = 2 + 2 * text.index("\ud83d")
    assert f"at offset {offset}" in own.rows[0].value.message


def test_utf_16_that_ends_inside_a_character_is_told(own: Any) -> None:
    own.put("a.csv", "image,caption\na.png,b\nb.png,c".encode("utf-16")[:-1])
    values = own.read("a.csv", format={"encoding": "utf-16"})
    assert values[0] == {"image": "a.png", "caption": "b"}
    assert "invalid_encoding" in values[1:]


@pytest.mark.parametrize(
    ("data", "declared", "remedy"),
    [
        ("image,c\na,ü\n".encode("utf-16"), "utf-8", r"give format: \{encoding: utf-16\}"),
        ("image,c\na,ü\n".encode("utf-16"), "cp1252", r"give format: \{encoding: utf-16\}"),
        ("image,c\na,ü\n".encode("utf-16-le"), "utf-8", r"\{encoding: utf-16-le\}"),
        ("image,c\na,ü\n".encode("utf-16-le"), "utf-16", r"no byte order mark.*utf-16-le"),
        ("image,c\na,ü\n".encode("utf-16"), "utf-16-be", r"give format: \{encoding: utf-16\}"),
        ("image,c\na,ü\n".encode("utf-32"), "utf-16", r"give format: \{encoding: utf-32\}"),
        ("image,c\na,ü\n".encode("utf-8-sig"), "cp1252", r"give format: \{encoding: utf-8\}"),
        ("image,c\na,ü\n".encode(), "utf-16-le", r"if it is in utf-8, leave out"),
    ],
)
def test_a_file_that_is_plainly_in_another_encoding_is_refused(
    own: Any, data: bytes, declared: str, remedy: str
) -> None:
    own.put("a.csv", data)
    with pytest.raises(RawDataError, match=remedy):
        own.read("a.csv", format={"encoding": declared})


@pytest.mark.parametrize("encoding", ["utf-9", "base64", "rot13"])
def test_what_is_no_encoding_is_refused(own: Any, encoding: str) -> None:
    own.put("a.csv", "image\na\n")
    with pytest.raises(OptionError, match=f"encoding '{encoding}' is unknown; such as utf-8"):
        own.read("a.csv", format={"encoding": encoding})


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04\x14\0", "a.csv is a zip archive; unpack it, or save it as CSV"),
        (b"<!doctype html><p>Sign in", r"a.csv is a web page \(HTML\)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a.csv is a Git LFS pointer"),
    ],
)
def test_what_is_no_table_is_named(own: Any, data: bytes, what: str) -> None:
    own.put("a.csv", data)
    with pytest.raises(RawDataError, match=what):
        own.read("a.csv")


def rows_of(count: int) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(
        [["image", "caption"], *([f"{n}.png", "x" * n] for n in range(count))]
    )
    return file.getvalue().encode()


def test_gzip_is_unpacked_by_content_whatever_its_name(own: Any) -> None:
    own.put("a.csv.gz", gzip.compress(rows_of(3)) + gzip.compress(b"3.png,b\r\n"))
    own.put("b.csv.gz", rows_of(4))
    own.put("c.csv", gzip.compress(rows_of(4)))
    for name in ("a.csv.gz", "b.csv.gz", "c.csv"):
        assert len(own.read(name)) == 4
        assert own.places()[-1] == (4, 5)


def test_the_rows_before_a_cut_are_used_and_the_cut_is_told(own: Any) -> None:
    packed = gzip.compress(rows_of(2_000))
    own.put("a.csv.gz", packed[: len(packed) // 2])
    reason, message = own.rejected("a.csv.gz")
    assert reason is Reason.TRUNCATED_FILE
    assert 0 < len(own.rows) - 1 < 2_000
    assert message.startswith(f"a.csv.gz is cut off or corrupt after row {len(own.rows) - 1}: ")
    assert own.rows[-1].place.row is None


def test_a_line_of_comment_above_the_header_is_named(own: Any) -> None:
    own.put("a.csv", "# exported by camera 7\nimage,caption\na.png,a pump\n")
    with pytest.raises(RawDataError, match="'# exported by camera 7', which looks like a comment"):
        own.read("a.csv")
    own.put("b.csv", "# exported, 2026\nimage,caption,id\na.png,a pump,1\n")
    assert own.read("b.csv") == ["malformed_row", "malformed_row"]
    assert "begins with '# exported', a comment? then remove it" in own.rows[0].value.message


def test_a_zero_byte_costs_its_row_and_is_not_taken_for_utf_16(own: Any) -> None:
    own.put("a.csv", "image,caption\na.png,a \0 pump\nb.png,a valve\n")
    assert own.read("a.csv") == ["invalid_encoding", {"image": "b.png", "caption": "a valve"}]
    assert own.rejected("a.csv")[1].startswith("a zero byte at place 9 of the row")
    own.put("b.csv", "image,caption\n".encode("utf-16-le"))
    with pytest.raises(RawDataError, match="looks like utf-16"):
        own.read("b.csv")
