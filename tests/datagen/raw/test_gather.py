import json
from pathlib import Path

from datagen.files import LocalFiles
from datagen.raw.gather import open_raw, raw_exists


def test_many_files_are_read_as_lines_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, text in {"b": '{"id":\n 2}', "a": ' {"id": 1}\r\n', "c": "{broken\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.json").write_text(text)
    pattern = f"{tmp_path}/*/data.json"
    first, second, third = open_raw(LocalFiles(), pattern).read().splitlines()
    assert json.loads(first) == {"path": "a/data.json", "row": {"id": 1}}
    assert json.loads(second) == {"path": "b/data.json", "row": {"id": 2}}
    assert third == b'{"path":"c/data.json","row":{broken}'


def test_a_pattern_is_there_if_any_file_is(tmp_path: Path) -> None:
    folder = tmp_path / "odd [1]"
    folder.mkdir()
    files = LocalFiles()
    assert not raw_exists(files, f"{folder}/*/data.json")
    (folder / "7").mkdir()
    (folder / "7" / "data.json").write_text("{}")
    assert raw_exists(files, f"{folder}/*/data.json")
    assert raw_exists(files, f"{folder}/7/data.json")
    assert not raw_exists(files, f"{folder}/8/data.json")
    assert open_raw(files, f"{folder}/7/data.json").read() == b"{}"
