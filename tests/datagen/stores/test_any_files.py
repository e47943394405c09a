"""Files of one interface: local ones, and those of a store in memory."""

import pickle

import pytest

from datagen.stores.any_files import AnyFiles


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path, memory):
    return str(tmp_path) if request.param == "local" else "memory://bucket/x"


def write(folder, name, data=b"x"):
    with AnyFiles().create(f"{folder}/{name}") as file:
        file.write(data)
    return f"{folder}/{name}"


@pytest.mark.parametrize("way", ["open_binary", "open_whole", "open_ranges"])
@pytest.mark.parametrize("data", [b"", b"one two", bytes(range(256)) * 4_000])
def test_what_is_created_can_be_read(folder, way, data):
    files = AnyFiles()
    assert not files.exists(f"{folder}/deep/er/file")
    path = write(folder, "deep/er/file", data)
    assert files.exists(path)
    assert files.size(path) == len(data)
    with getattr(files, way)(path) as file:
        assert file.read(3) == data[:3]
        assert file.read() == data[3:]
        assert file.read(1) == b""
        file.seek(4)
        assert file.read(300_000) == data[4:300_004]
        assert file.seek(0, 2) == len(data)
        file.seek(max(len(data) - 5, 0))
        assert file.read() == data[-5:]


def test_a_file_appears_whole(folder):
    files = AnyFiles()
    path = write(folder, "file", b"first")
    with files.create(path) as file:
        file.write(b"second")
        with files.open_whole(path) as there:
            assert there.read() == b"first"
    with files.open_whole(path) as there:
        assert there.read() == b"second"


def test_a_file_whose_writing_fails_does_not_appear(folder):
    files = AnyFiles()
    with pytest.raises(KeyError), files.create(f"{folder}/file") as file:
        file.write(b"half")
        raise KeyError
    assert not files.exists(f"{folder}/file")
    assert files.match(f"{folder}/*") == []


@pytest.mark.parametrize("way", ["open_binary", "open_whole", "open_ranges"])
def test_a_missing_file_is_not_found(folder, way):
    files = AnyFiles()
    with pytest.raises(FileNotFoundError):
        getattr(files, way)(f"{folder}/nothing").read()
    with pytest.raises(FileNotFoundError):
        files.state(f"{folder}/nothing")
    with pytest.raises(FileNotFoundError):
        files.size(f"{folder}/nothing")


def test_the_state_of_a_file_that_changed_is_another(folder):
    files = AnyFiles()
    path = write(folder, "file", b"one")
    before = files.state(path)
    assert files.state(path) == before
    write(folder, "file", b"two")
    assert files.state(path) != before


def test_a_folder_has_no_state(folder):
    write(folder, "a/b")
    with pytest.raises(IsADirectoryError):
        AnyFiles().state(f"{folder}/a")


def test_only_files_that_are_there_are_removed(folder):
    files = AnyFiles()
    path = write(folder, "file")
    files.remove([path, f"{folder}/nothing"])
    assert not files.exists(path)
    files.remove([])


def test_files_are_matched_by_pattern_and_by_the_start_of_their_names(folder):
    files = AnyFiles()
    for name in ("b.txt", "a.txt", "a.bin", "deep/c.txt", "deep/er/d.txt"):
        write(folder, name)
    assert files.match(f"{folder}/*.txt") == [f"{folder}/a.txt", f"{folder}/b.txt"]
    assert files.match(f"{folder}/*/*.txt") == [f"{folder}/deep/c.txt"]
    assert files.match(f"{folder}/none/*") == []
    assert files.beginning_with(f"{folder}/a.") == [f"{folder}/a.bin", f"{folder}/a.txt"]
    assert files.beginning_with(f"{folder}/none/x") == []


@pytest.mark.parametrize(
    "name", ["a b.txt", "50%.txt", "a+b.txt", "größe.txt", "x[1].txt", "%41.txt"]
)
def test_names_of_all_kinds_are_taken_literally(folder, name):
    files = AnyFiles()
    path = write(folder, name, name.encode())
    assert files.match(f"{folder}/*") == [path]
    with files.open_whole(path) as file:
        assert file.read() == name.encode()


def test_files_can_be_sent_to_workers():
    assert isinstance(pickle.loads(pickle.dumps(AnyFiles())), AnyFiles)
