import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen.errors import RowRejectedError
from datagen.files import LocalFiles
from datagen.media.media import MediaRoots
from datagen.sources.declared.archives import MAX_OPEN_ARCHIVES, Archives


def make_tar(path: Path, *members: tuple[str, bytes], link: str | None = None) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if link is not None:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)


@pytest.fixture
def archives(tmp_path: Path) -> Iterator[Archives]:
    archives = Archives(MediaRoots({"c": str(tmp_path)}, LocalFiles()))
    yield archives
    archives.close()


def reason_of(archives: Archives, path: str, member: str) -> str:
    with pytest.raises(RowRejectedError) as caught:
        archives.read(path, member)
    return caught.value.reason.value


def test_of_members_with_one_name_the_last_counts(archives: Archives, tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", ("x.png", b"first"), ("./x.png", b"last"), ("y/x.png", b"other"))
    assert archives.read("c/a.tar", "x.png") == archives.read("c/a.tar", "./x.png") == b"last"
    assert archives.read("c/a.tar", "y/x.png") == b"other"


def test_links_and_folders_are_no_members(archives: Archives, tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", link="x.png")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as made:
        made.mkdir("folder")
    assert reason_of(archives, "c/a.tar", "x.png") == "media_missing"
    assert reason_of(archives, "c/b.zip", "folder/") == "media_missing"


def test_a_member_that_is_too_large_is_not_unpacked(
    archives: Archives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.sources.declared.archives.MAX_PACKED_BYTES", 100)
    make_tar(tmp_path / "a.tar", ("x.png", bytes(101)))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x.png", bytes(1 << 20))
    assert reason_of(archives, "c/a.tar", "x.png") == "media_too_large"
    assert reason_of(archives, "c/b.zip", "x.png") == "media_too_large"


def test_a_damaged_archive_is_refused(archives: Archives, tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("no archive at all" * 100)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as made:
        made.writestr("x.png", b"some bytes of an image")
    data = (tmp_path / "b.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(data.replace(b"some bytes", b"lost bytes"))
    assert reason_of(archives, "c/text.tar", "x.png") == "media_unreadable"
    assert reason_of(archives, "c/b.zip", "x.png") == "media_unreadable"
    assert reason_of(archives, "c/none.tar", "x.png") == "media_missing"


def test_few_archives_stay_open(archives: Archives, tmp_path: Path) -> None:
    for number in range(MAX_OPEN_ARCHIVES + 3):
        make_tar(tmp_path / f"{number}.tar", ("x.png", str(number).encode()))
    for number in [*range(MAX_OPEN_ARCHIVES + 3), 0]:
        assert archives.read(f"c/{number}.tar", "x.png") == str(number).encode()
    assert len(archives._open) == MAX_OPEN_ARCHIVES
    archives.close()
    assert not archives._open
