import pytest
from pydantic import ValidationError

from datagen.schema.download import Download, DownloadList


def download(**changes: object) -> Download:
    fields = {
        "folder": "vsr",
        "name": "a.json",
        "url": "https://a.example/a.json",
        "brings": ["a.json"],
        "read_in": ["page"],
    }
    return Download.model_validate({**fields, **changes})


def test_a_plain_file_is_itself_and_an_archive_holds_others() -> None:
    assert not download().is_archive
    for name in ("a.zip", "A.ZIP", "a.tar", "a.tar.gz", "a.tgz"):
        assert download(name=name, brings=["b.json", "c.json"]).is_archive
    assert download().path == "vsr/a.json"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": None}, "access open needs a url"),
        ({"url": "ftp://a.example/a"}, "url"),
        ({"access": "form"}, "needs a page, and has no url"),
        ({"access": "form", "url": None}, "needs a page"),
        ({"access": "telepathy"}, "access"),
        ({"brings": []}, "brings no file and no images"),
        ({"brings": ["b.json"]}, "is no archive, so it brings itself alone"),
        ({"bytes": 1, "about_bytes": 1}, "has two sizes"),
        ({"bytes": 0}, "greater than 0"),
        ({"verified": True}, "is verified, but has no sha256"),
        ({"sha256": "abc"}, "sha256"),
        ({"name": "../a.json", "brings": ["../a.json"]}, "is no path below a folder"),
        ({"folder": "/etc"}, "is no path below a folder"),
        ({"read_in": []}, "read_in"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        download(**changes)


def test_every_origin_is_declared() -> None:
    entry = {
        "url": "https://a.example/a.json",
        "brings": ["a.json"],
        "read_in": ["page", "nowhere"],
    }
    with pytest.raises(ValidationError, match=r"vsr/a.json: no origin is named nowhere"):
        DownloadList.model_validate(
            {"origins": {"page": "a page"}, "folders": {"vsr": {"a.json": entry}}}
        )
