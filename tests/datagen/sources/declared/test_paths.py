from pathlib import Path
from typing import Any

import pytest

from datagen.errors import RowRejectedError
from datagen.sources.declared.definition import MediaPaths
from datagen.sources.declared.paths import MAX_SHOWN_CHARS, Names, PathRules, is_blank, shown


def rules(root: str = "/data/photos", **paths: Any) -> PathRules:
    return PathRules("images", MediaPaths(**paths), root)


def refusal(text: str, root: str = "/data/photos", **paths: Any) -> tuple[str, str]:
    with pytest.raises(RowRejectedError) as caught:
        rules(root, **paths).relative(text)
    return caught.value.reason.value, caught.value.message


@pytest.mark.parametrize(
    ("value", "blank"),
    [
        *((value, True) for value in (None, "", " \n", float("nan"), [], {}, b"")),
        *((value, False) for value in (0, False, "nan", [None], b"x")),
    ],
)
def test_blank_is_what_stands_for_no_value(value: Any, blank: bool) -> None:
    assert is_blank(value) == blank


def test_a_value_is_shown_cut() -> None:
    assert shown("a") == "'a'"
    assert len(shown("a" * 10_000)) == MAX_SHOWN_CHARS + 3


def test_a_prefix_may_be_that_of_a_url_a_file_url_or_windows() -> None:
    prefixes = {"http://x/i/": "", "D:/p": "d", "/mnt": "m/", "old/": "new"}
    found = rules(replace_prefix=prefixes, separators="windows").relative
    assert found("http://x/i/a.png") == "a.png"
    assert found("D:\\p\\a.png") == "d/a.png"
    assert found("file:///D:/p/a%20b.png") == "d/a b.png"
    assert found("file://localhost/mnt/a.png") == "m/a.png"
    assert found("old/a.png") == "new/a.png"
    assert found("older/a.png") == "older/a.png"


def test_a_prefix_may_lead_to_an_absolute_folder_below_the_root() -> None:
    assert rules(replace_prefix={"/old": "/data/photos/x"}).relative("/old/a.png") == "x/a.png"
    assert refusal("/old/a.png", replace_prefix={"/old": "/etc"})[0] == "unsafe_path"


def test_the_message_about_another_machine_is_the_remedy_to_copy() -> None:
    reason, message = refusal("/mnt/share/other/images/0007.jpg")
    assert reason == "unsafe_path"
    assert "images: {replace_prefix: {'/mnt/share/other/images/': ''}}" in message


def test_the_root_may_be_a_url() -> None:
    remote = "gs://bucket/photos"
    assert rules(remote).relative(" a/./b.png ") == "a/b.png"
    assert refusal("/a.png", remote)[0] == "unsafe_path"
    assert refusal("gs://bucket/photos/a.png", remote)[0] == "remote_media"


def test_a_url_is_answered_with_a_command_and_a_prefix() -> None:
    reason, message = refusal("https://host.example/a/b.jpg?w=100")
    assert reason == "remote_media"
    assert "wget -x -nH -P /data/photos" in message
    assert "{replace_prefix: {'https://host.example/': ''}}" in message


def test_names_are_compared_without_case_and_normal_form(tmp_path: Path) -> None:
    for name in ("Ä/Straße.png", "Ä/STRASSE.PNG", "b/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = Names(str(tmp_path))
    assert names.similar("a\u0308/strasse.png") == ["Ä/STRASSE.PNG", "Ä/Straße.png"]
    assert names.similar("B/X.png") == ["b/x.png"]
    assert names.similar("b/y.png") == names.similar("c/x.png") == []


def test_a_folder_of_very_many_names_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").touch()
    monkeypatch.setattr("datagen.sources.declared.paths.MAX_LISTED_NAMES", 3)
    assert Names(str(tmp_path)).similar("1.PNG") == []


def test_listings_are_remembered_for_a_bounded_number_of_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.sources.declared.paths.MAX_LISTED_FOLDERS", 2)
    for folder in "abcd":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").touch()
    names = Names(str(tmp_path))
    for folder in "abcd":
        assert names.similar(f"{folder}/X.png") == [f"{folder}/x.png"]
    assert len(names._folders) == 2
