"""The shipped nano files are whole, small, and noticed when they change."""

import shutil

import pytest

from trainer.errors import ModelError
from trainer.model.starts.nano.files import FILES, RECORD, check_files, nano_folder

MOST_BYTES = 4_000_000


@pytest.fixture
def copied(tmp_path):
    for name in (*FILES, RECORD):
        shutil.copy(nano_folder() / name, tmp_path / name)
    return tmp_path


def test_the_shipped_files_are_those_of_their_record_and_small():
    folder = nano_folder()
    assert sum((folder / name).stat().st_size for name in FILES) <= MOST_BYTES


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(copied, name):
    with (copied / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelError, match=rf"{name} is not the file that nano.json names"):
        check_files(copied)


def test_a_missing_file_is_named(copied):
    (copied / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no .*tokenizer\.json"):
        check_files(copied)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), ("{", "no JSON"), ("{}", "names no hashes")]
)
def test_a_record_that_cannot_be_used_is_refused(copied, content, message):
    (copied / RECORD).unlink()
    if content is not None:
        (copied / RECORD).write_text(content)
    with pytest.raises(ModelError, match=message):
        check_files(copied)
