import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest

from datagen.errors import RawDataError, Reason
from datagen.sources.declared.readers import tars


def tar(members: Mapping[str, Any] | list[tuple[str, Any]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items() if isinstance(members, Mapping) else members:
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def image(name: str, data: bytes = b"png") -> dict[str, Any]:
    return {"bytes": data, "path": name}


def test_members_of_one_base_name_are_a_sample(own: Any) -> None:
    members = {
        "s/0001.jpg": b"one",
        "s/0001.txt": "a disc\n",
        "s/0001.json": '{"id": 7, "w": 1.0}',
        "s/0002.seg.png": b"two",
        "s/0002.cls": "3",
        "s/0002.npy": b"\x93",
    }
    own.put("a.tar", tar(members))
    assert own.read("a.tar") == [
        {
            "id": 7,
            "w": 1.0,
            "image": image("s/0001.jpg", b"one"),
            "jpg": image("s/0001.jpg", b"one"),
            "txt": "a disc",
            "json": {"id": 7, "w": 1.0},
        },
        {
            "image": image("s/0002.seg.png", b"two"),
            "seg.png": image("s/0002.seg.png", b"two"),
            "cls": "3",
            "npy": b"\x93",
        },
    ]
    assert [(row.place.row, row.place.key) for row in own.rows] == [(1, "s/0001"), (2, "s/0002")]


def test_the_base_name_ends_at_the_first_dot_of_the_file_not_of_its_folder(own: Any) -> None:
    own.put("a.tar", tar({"./v1.0/a.b.jpg": b"x", "./v1.0/a.txt": "c"}))
    assert own.read("a.tar") == [
        {
            "image": image("./v1.0/a.b.jpg", b"x"),
            "b.jpg": image("./v1.0/a.b.jpg", b"x"),
            "txt": "c",
        }
    ]


def test_members_win_over_keys_of_the_json(own: Any) -> None:
    row = {"image": "http://x/a.jpg", "txt": "other"}
    own.put("a.tar", tar({"a.json": json.dumps(row), "a.jpg": b"x", "a.txt": "mine"}))
    (value,) = own.read("a.tar")
    assert value["image"] == image("a.jpg", b"x")
    assert value["txt"] == "mine"


def test_a_sample_that_lacks_a_member_is_a_row_without_that_column(own: Any) -> None:
    own.put("a.tar", tar({"a.jpg": b"x", "b.txt": "alone"}))
    assert own.read("a.tar") == [
        {"image": image("a.jpg", b"x"), "jpg": image("a.jpg", b"x")},
        {"txt": "alone"},
    ]


@pytest.mark.parametrize(
    ("member", "data", "reason", "message"),
    [
        ("a.json", "{broken", Reason.MALFORMED_ROW, "a.json: "),
        ("a.json", '{"t": "\\ud83d"}', Reason.INVALID_ENCODING, "a.json: not valid Unicode"),
        ("a.txt", b"gr\xfcn", Reason.INVALID_ENCODING, "a.txt is not utf-8: byte 0xfc at offset 2"),
    ],
)
def test_a_broken_member_costs_its_sample(
    own: Any, member: str, data: bytes, reason: Reason, message: str
) -> None:
    own.put("a.tar", tar({"a.jpg": b"x", member: data, "b.txt": "fine"}))
    found = own.rejected("a.tar")
    assert found[0] is reason
    assert found[1].startswith(message)
    assert own.rows[0].place.key == "a"


def test_two_members_of_one_name_are_no_sample(own: Any) -> None:
    own.put("a.tar", tar([("a.txt", "one"), ("a.txt", "two")]))
    assert own.rejected("a.tar") == (Reason.INCONSISTENT_ROW, "two members 'a.txt'")


def test_files_of_the_system_and_of_the_writer_are_passed_over(own: Any) -> None:
    members = {"._a.jpg": b"", ".DS_Store": b"", "__meta__.json": "{}", "a.txt": "c"}
    own.put("a.tar", tar(members))
    assert own.read("a.tar") == [{"txt": "c"}]
    assert own.problems == []


def test_links_and_members_that_are_too_large_are_told(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tars, "MAX_MEMBER_BYTES", 10)
    file = io.BytesIO(tar({"a.txt": "c", "b.txt": "x" * 11}))
    with tarfile.open(fileobj=file, mode="a") as archive:
        link = tarfile.TarInfo("c.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    own.put("a.tar", file.getvalue())
    assert own.read("a.tar") == [{"txt": "c"}]
    assert own.reported() == [
        ("a.tar", "warn", "member_too_large"),
        ("a.tar", "warn", "unsafe_member"),
    ]
    assert [problem.place.key for problem in own.problems] == ["b", "c"]


SAMPLES = {f"{n:03d}.{suffix}": b"x" * 700 for n in range(9) for suffix in ("jpg", "txt")}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz"])
def test_a_tar_is_unpacked_by_content(own: Any, name: str) -> None:
    data = tar(SAMPLES)
    own.put(name, data if name == "a.tar" else gzip.compress(data))
    assert len(own.read(name)) == 9


BLOCK = 512
MEMBER = 3 * BLOCK  # a header, and 700 bytes


@pytest.mark.parametrize("kept", [5 * MEMBER + 5, 5 * MEMBER + BLOCK + 9, 6 * MEMBER, 9 * MEMBER])
def test_a_cut_tar_is_told_wherever_it_is_cut(own: Any, kept: int) -> None:
    own.put("a.tar", tar(SAMPLES)[:kept])
    reason, message = own.rejected("a.tar")
    assert reason is Reason.TRUNCATED_FILE
    whole = len(own.rows) - 1
    assert message.startswith(f"a.tar is cut off or corrupt after row {whole}: ")
    assert whole in (kept // (2 * MEMBER), kept // (2 * MEMBER) - 1)
    assert all(set(row.value) == {"image", "jpg", "txt"} for row in own.rows[:-1])


def test_a_cut_gzip_of_a_tar_is_told(own: Any) -> None:
    packed = gzip.compress(tar({f"{n}.txt": f"{n * 7919}" * 50 for n in range(500)}))
    own.put("a.tar.gz", packed[: len(packed) // 2])
    assert own.rejected("a.tar.gz")[0] is Reason.TRUNCATED_FILE
    assert 1 < len(own.rows) < 500


@pytest.mark.parametrize("data", [b"", b"image,caption\n", b"\0" * 100, b"x" * 2_000])
def test_what_is_no_tar_is_refused(own: Any, data: bytes) -> None:
    own.put("a.tar", data)
    with pytest.raises(RawDataError, match=r"a\.tar is no tar file, or is cut off"):
        own.read("a.tar")


def test_an_empty_tar_has_no_samples(own: Any) -> None:
    own.put("a.tar", tar({}))
    assert own.read("a.tar") == []


def test_a_key_that_a_members_json_has_twice_costs_its_sample(own: Any) -> None:
    own.put("a.tar", tar({"1.json": '{"a": 1, "a": 2}', "1.txt": "x", "2.json": '{"a": 1}'}))
    assert own.rejected("a.tar") == (
        Reason.MALFORMED_ROW,
        "1.json: the key 'a' is given twice; which value is meant?",
    )
