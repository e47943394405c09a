import io
from pathlib import Path

import pytest

from datagen.files import LocalFiles
from pipelines.build.estimate.counted_files import REQUEST_BYTES, CountedFiles, Traffic


@pytest.fixture
def files(tmp_path: Path) -> CountedFiles:
    (tmp_path / "inside").mkdir()
    (tmp_path / "data").write_bytes(bytes(range(100)))
    return CountedFiles(LocalFiles(), str(tmp_path / "inside"))


def test_contiguous_reads_are_one_request_and_a_jump_is_another(files, tmp_path):
    with files.open_binary(str(tmp_path / "data")) as file:
        assert file.read(10) + file.read(10) == bytes(range(20))
        file.seek(20)  # where it is already
        file.read(5)
        file.seek(90)
        assert file.read() == bytes(range(90, 100))
    inside, outside = files.traffic()
    assert inside == Traffic()
    assert outside == Traffic(reads=2, read_bytes=35)


def test_a_long_read_is_several_requests(files, tmp_path):
    (tmp_path / "long").write_bytes(bytes(2 * REQUEST_BYTES + 1))
    with files.open_binary(str(tmp_path / "long")) as file:
        file.read()
    assert files.traffic()[1].reads == 3


def test_asking_for_the_size_and_reading_whole_are_requests(files, tmp_path):
    with files.open_binary(str(tmp_path / "data")) as file:
        assert file.seek(0, 2) == 100
    with files.open_whole(str(tmp_path / "data")) as file:
        assert len(file.read(7)) == 7
    with files.open_ranges(str(tmp_path / "data")) as file:
        assert len(file.read(5)) == 5
    files.beginning_with(str(tmp_path / "d"))
    assert files.traffic()[1] == Traffic(looks=1, lists=1, reads=2, read_bytes=105)


def test_what_is_written_below_the_folder_is_counted_apart(files, tmp_path):
    with files.create(str(tmp_path / "inside/a")) as file:
        file.write(b"1234")
    files.exists(str(tmp_path / "inside/a"))
    files.state(str(tmp_path / "data"))
    files.match(str(tmp_path / "*"))
    assert files.traffic() == (
        Traffic(looks=1, writes=1, written_bytes=4),
        Traffic(looks=1, lists=1),
    )
    assert sum(files.traffic(), Traffic()).requests == 4


def test_a_counted_reader_is_one_that_libraries_take(files, tmp_path):
    (tmp_path / "lines").write_bytes(b"one\ntwo\n")
    with files.open_binary(str(tmp_path / "lines")) as file:
        assert [*file] == [b"one\n", b"two\n"]
    with io.TextIOWrapper(files.open_binary(str(tmp_path / "lines"))) as text:
        assert text.read() == "one\ntwo\n"
    with files.open_binary(str(tmp_path / "lines")) as file:
        buffer = bytearray(3)
        assert (file.readinto(buffer), bytes(buffer), file.readline()) == (3, b"one", b"\n")
    assert files.traffic()[1].read_bytes == 8 + 8 + 4
