"""Archives: what is unpacked where, and what is refused whole."""

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.fetch.download import Patience, Stopped
from pipelines.fetch.unpack import All, ArchiveError, Members, Named, Unpacked, unpack

Contents = dict[str, bytes]


class Log:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.last: tuple[int, int | None] = (0, None)

    def at(self, num_bytes: int, total: int | None) -> None:
        self.last = num_bytes, total

    def say(self, message: str) -> None:
        self.messages.append(message)


def zip_of(path: Path, contents: Contents) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def tar_of(path: Path, contents: Contents, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


WRITERS: dict[str, Callable[[Path, Contents], Path]] = {
    ".zip": zip_of,
    ".tar": tar_of,
    ".tar.gz": lambda path, contents: tar_of(path, contents, "w:gz"),
    ".tgz": lambda path, contents: tar_of(path, contents, "w:gz"),
}


def files(folder: Path) -> Contents:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "images"


def unpacked(archive: Path, folder: Path, members: Members | None = None) -> Contents:
    unpack(archive, folder, members or All(), Log(), Patience())
    return files(folder)


@pytest.mark.parametrize("suffix", WRITERS)
def test_everything_is_unpacked_into_the_folder(tmp_path: Path, folder: Path, suffix: str) -> None:
    contents = {"train/a.jpg": b"a" * 3_000_000, "train/b/c.jpg": b"c", "d": b""}
    archive = WRITERS[suffix](tmp_path / f"a{suffix}", contents)
    log = Log()
    found = unpack(archive, folder, All(), log, Patience())
    assert found == [Unpacked(name, len(data)) for name, data in contents.items()]
    assert files(folder) == contents
    assert log.last[0] == 3_000_001


@pytest.mark.parametrize("suffix", WRITERS)
def test_named_members_are_found_in_any_folder(tmp_path: Path, folder: Path, suffix: str) -> None:
    contents = {"x/annotations/a.json": b"{}", "x/other/b.json": b"[]", "__MACOSX/x/._a.json": b"?"}
    archive = WRITERS[suffix](tmp_path / f"a{suffix}", contents)
    assert unpacked(archive, folder, Named(("a.json",))) == {"a.json": b"{}"}


def test_a_gzip_file_is_one_member(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "a.json.gz"
    archive.write_bytes(gzip.compress(b"[1]"))
    assert unpacked(archive, folder, Named(("a.json",))) == {"a.json": b"[1]"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (All(strip="images"), ["1.jpg", "notes.txt"]),
        (All(only="*.jpg"), ["images/1.jpg"]),
        (All(flat=True), ["1.jpg", "notes.txt"]),
        (All(strip="image"), ["images/1.jpg", "notes.txt"]),
    ],
)
def test_folders_of_the_archive_are_left_out(
    tmp_path: Path, folder: Path, members: All, expected: list[str]
) -> None:
    archive = zip_of(tmp_path / "a.zip", {"images/1.jpg": b"1", "notes.txt": b"n"})
    assert list(unpacked(archive, folder, members)) == expected


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (Named(("a.json", "b.json")), "does not hold b.json"),
        (All(names=("x/*/data.json",)), r"does not hold x/\*/data.json"),
        (All(only="*.mp4"), r"does not hold \*.mp4"),
    ],
)
def test_an_archive_that_lacks_what_it_is_for_is_refused(
    tmp_path: Path, folder: Path, members: Members, said: str
) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a.json": b"{}"})
    with pytest.raises(ArchiveError, match=said):
        unpack(archive, folder, members, Log(), Patience())
    assert not (folder / "a.json").exists()


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/out", "..", "C:/out", "a\\..\\..\\out", "a/..", "a\nb"]
)
def test_paths_that_lead_out_are_refused_with_the_whole_archive(
    tmp_path: Path, folder: Path, suffix: str, name: str
) -> None:
    archive = WRITERS[suffix](tmp_path / f"a{suffix}", {"good.json": b"{}", name: b"bad"})
    with pytest.raises(ArchiveError, match="leads out of its folder; nothing of it is used"):
        unpack(archive, folder, All(), Log(), Patience())
    assert list(folder.iterdir()) == []
    assert not list(tmp_path.rglob("out"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_not_made(tmp_path: Path, folder: Path, kind: bytes) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as opened:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc"
        opened.addfile(info)
        info = tarfile.TarInfo("link/passwd")
        info.size = 3
        opened.addfile(info, io.BytesIO(b"bad"))
    log = Log()
    unpack(archive, folder, All(), log, Patience())
    assert files(folder) == {"link/passwd": b"bad"}
    assert not (folder / "link").is_symlink()
    assert log.messages == ["1 links and special files of a.tar are left out"]


def test_links_in_a_zip_are_not_made(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc")
        opened.writestr("a", "a")
    log = Log()
    unpack(archive, folder, All(), log, Patience())
    assert files(folder) == {"a": b"a"}
    assert log.messages == ["1 links and special files of a.zip are left out"]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_bomb_is_refused(
    tmp_path: Path, folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.fetch.unpack.FREE_RATIO_BYTES", 1 << 20)
    archive = WRITERS[suffix](tmp_path / f"a{suffix}", {"a": bytes(8 << 20)})
    assert archive.stat().st_size < 10_000
    with pytest.raises(ArchiveError, match="100 times its size: it is taken for a bomb"):
        unpack(archive, folder, All(), Log(), Patience())
    assert list(files(folder)) == []


def test_a_bomb_in_gzip_is_refused_before_it_is_written(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.fetch.unpack.FREE_RATIO_BYTES", 1 << 20)
    archive = tmp_path / "a.json.gz"
    archive.write_bytes(gzip.compress(bytes(8 << 20)))
    with pytest.raises(ArchiveError, match="taken for a bomb"):
        unpack(archive, folder, Named(("a.json",)), Log(), Patience())
    assert list(files(folder)) == []


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, folder: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(info.tobuf() + bytes(1 << 20)))
    with pytest.raises(ArchiveError, match="has a header of 1,073,741,824 bytes"):
        unpack(archive, folder, All(), Log(), Patience())


def test_a_size_that_is_announced_too_small_is_found(tmp_path: Path, folder: Path) -> None:
    """The bound counts what the directory of a zip announces: more than that never comes out."""
    data = bytes(100_000)
    archive = zip_of(tmp_path / "a.zip", {"a": data})
    content = bytearray(archive.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 1_000)
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"cannot be unpacked: Bad CRC|longer"):
        unpack(archive, folder, All(), Log(), Patience())


def test_more_than_the_disk_holds_is_refused_before_it_is_written(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": bytes(1_000)})
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=(64 << 20) + 999))
    with pytest.raises(ArchiveError, match="GB are free; free some space"):
        unpack(archive, folder, All(), Log(), Patience())
    assert list(files(folder)) == []


def test_more_members_than_any_publisher_has_are_refused(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.fetch.unpack.MAX_MEMBERS", 2)
    archive = zip_of(tmp_path / "a.zip", dict.fromkeys("abc", b""))
    with pytest.raises(ArchiveError, match="more than 2 members"):
        unpack(archive, folder, All(), Log(), Patience())


def test_an_encrypted_zip_is_named(tmp_path: Path, folder: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": b"secret"})
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match="is encrypted; unpack it yourself with the password"):
        unpack(archive, folder, All(), Log(), Patience())


@pytest.mark.parametrize("suffix", [*WRITERS, ".json.gz"])
@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_damaged_archive_is_named(tmp_path: Path, folder: Path, suffix: str, damage: str) -> None:
    data = random.Random(0).randbytes(200_000)
    if suffix == ".json.gz":
        archive = tmp_path / "a.json.gz"
        archive.write_bytes(gzip.compress(data))
    else:
        archive = WRITERS[suffix](tmp_path / f"a{suffix}", {"a.json": data})
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2] if damage == "cut" else b"noise" * 1_000)
    with pytest.raises(ArchiveError, match=r"cannot be unpacked|shorter"):
        unpack(archive, folder, Named(("a.json",)), Log(), Patience())
    assert not (folder / "a.json").exists()


def test_two_members_of_one_name_are_refused(tmp_path: Path, folder: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"x/a.json": b"1", "y/a.json": b"2"})
    with pytest.raises(ArchiveError, match=r"holds a\.json twice"):
        unpack(archive, folder, Named(("a.json",)), Log(), Patience())


def test_a_file_where_a_folder_is_needed_is_an_error(tmp_path: Path, folder: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": b"1", "a/b": b"2"})
    with pytest.raises((ArchiveError, OSError)):
        unpack(archive, folder, All(), Log(), Patience())


def test_what_is_unpacked_joins_what_is_there(tmp_path: Path, folder: Path) -> None:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "old.jpg").write_bytes(b"old")
    (folder / "train" / "new.jpg").write_bytes(b"half")
    archive = zip_of(tmp_path / "a.zip", {"train/new.jpg": b"new", "val/v.jpg": b"v"})
    assert unpacked(archive, folder) == {
        "train/new.jpg": b"new",
        "train/old.jpg": b"old",
        "val/v.jpg": b"v",
    }
    assert not list(folder.glob(".unpacking*"))


def test_a_stopped_run_is_continued_and_shows_nothing_before_its_end(
    tmp_path: Path, folder: Path
) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": b"aaa", "b": b"bbb"})

    def stop(seconds: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        unpack(archive, folder, All(), Log(), Patience(wait=stop))
    assert os.listdir(folder) == [".unpacking-a.zip"]
    kept = folder / ".unpacking-a.zip" / "a"
    before = kept.stat().st_ino
    unpack(archive, folder, All(), Log(), Patience())
    assert files(folder) == {"a": b"aaa", "b": b"bbb"}
    assert (folder / "a").stat().st_ino == before
