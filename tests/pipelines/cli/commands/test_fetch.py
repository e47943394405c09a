"""`visinstruct fetch`: what it prints, asks, remembers, and its exit status."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from datagen.schema.download import DownloadList
from datagen.sources import load_source
from datagen.sources.downloads import load_downloads
from pipelines.cli.commands import fetch
from pipelines.fetch.http import Rules
from pipelines.fetch.record import accepted

FILES = {"zeroshot/train.jsonl": b"{}\n", "zeroshot/dev.jsonl": b"[]\n"}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.console.WIDTH_OFF_TERMINAL", 500)


@pytest.fixture
def vsr(web: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Serve two of VSR's files, and images that need a form, as the list has it; `fetch` of them into a folder."""
    entries: dict[str, dict[str, Any]] = {}
    for name, body in FILES.items():
        web.pages[f"/{name}"] = (200, {}, body)
        entries[name] = {"url": web.url(f"/{name}"), "brings": [name], "read_in": ["test"]}
    entries["zeroshot/dev.jsonl"]["sha256"] = hashlib.sha256(b"[]\n").hexdigest()
    entries["zeroshot/train.jsonl"]["about_bytes"] = 3
    images = {
        "access": "form",
        "page": "https://a.example/form",
        "images_of": {"vsr": ["train"]},
        "fills": "train2017",
        "read_in": ["test"],
    }
    listed = DownloadList.model_validate(
        {
            "origins": {"test": "this test"},
            "folders": {"vsr": entries, "images/coco": {"train2017": images}},
        }
    )
    monkeypatch.setattr(fetch, "load_downloads", lambda: listed)
    monkeypatch.setattr(fetch, "RULES", Rules(allow_private=True))
    return lambda *arguments: ("fetch", "vsr", *arguments)


def test_a_dry_run_prints_sizes_licences_and_what_a_person_has_to_get(
    run: Any, vsr: Any, web: Any, tmp_path: Path
) -> None:
    outcome = run(*vsr("--raw", tmp_path / "raw", "--splits", "train,val", "--dry-run"))
    assert outcome.status == 0
    lines = {" ".join(line.split()) for line in outcome.out.splitlines()}
    assert "vsr/zeroshot/train.jsonl about 3 bytes nothing known absent 127.0.0.1" in lines
    assert "vsr/zeroshot/dev.jsonl unknown sha256 absent 127.0.0.1" in lines
    assert "vsr Apache-2.0 Flickr terms, per image no" in lines
    assert (
        f"by hand: images/coco/train2017 needs a form: https://a.example/form; put the images into "
        f"{tmp_path}/raw/images/coco/train2017"
    ) in lines
    assert "2 downloads, 0.0 GB and 1 of unknown size" in outcome.out
    assert not web.asked
    assert not (tmp_path / "raw").exists()


def test_a_dry_run_as_json_has_addresses(run: Any, vsr: Any, tmp_path: Path) -> None:
    outcome = run(*vsr("--raw", tmp_path, "--splits", "val", "--dry-run", "--json"))
    plan = json.loads(outcome.out)
    assert plan["licences"]["vsr"]["licence"] == "Apache-2.0"
    (download,) = plan["downloads"]
    assert download["url"].endswith("/zeroshot/dev.jsonl")
    assert download["state"] == "absent"


def test_without_an_accepted_licence_nothing_is_downloaded(
    run: Any, vsr: Any, web: Any, tmp_path: Path
) -> None:
    outcome = run(*vsr("--raw", tmp_path / "raw"))
    assert outcome.status == 2
    assert "the licences of vsr were not accepted yet" in outcome.err
    assert "Apache-2.0" in outcome.err
    assert not web.asked


def test_a_licence_is_accepted_once(run: Any, vsr: Any, web: Any, tmp_path: Path) -> None:
    arguments = ("--raw", tmp_path, "--splits", "train")
    first = run(*vsr(*arguments, "--accept-licence"))
    assert first.status == 0
    assert "1 downloaded, 0 were complete, 0 found, 0 failed" in first.out
    assert "not checked, no size or hash is known: vsr/zeroshot/train.jsonl" in first.out
    second = run(*vsr("--raw", tmp_path, "--splits", "train,val"))
    assert second.status == 0
    assert "1 downloaded, 1 were complete, 0 found, 0 failed" in second.out
    assert sum(web.asked.values()) == 2
    remembered = json.loads((tmp_path / ".fetch" / "licences.json").read_text())
    assert remembered["vsr"]["licence"] == "Apache-2.0"
    assert (tmp_path / "vsr/zeroshot/dev.jsonl").read_bytes() == b"[]\n"


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("", 2), ("no", 2)])
def test_on_a_terminal_the_licence_is_asked_for(
    run: Any, vsr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    printed = []
    console = SimpleNamespace(is_terminal=True, print=printed.append, input=lambda question: answer)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    bars = fetch.messages
    consoles = iter([console])
    monkeypatch.setattr(fetch, "messages", lambda: next(consoles, None) or bars())
    outcome = run(*vsr("--raw", tmp_path, "--splits", "val"))
    assert outcome.status == status
    assert printed
    assert accepted(tmp_path, load_source("vsr").card) == (status == 0)


def test_a_failure_has_exit_status_1_and_names_the_file(
    run: Any, vsr: Any, web: Any, tmp_path: Path
) -> None:
    web.pages["/zeroshot/train.jsonl"] = (403, {}, b"")
    options = ("--accept-licence", "--only", "files", "--splits", "train,val")
    outcome = run(*vsr("--raw", tmp_path, *options))
    assert outcome.status == 1
    assert "1 downloaded, 0 were complete, 0 found, 1 failed" in outcome.out
    assert "- vsr/zeroshot/train.jsonl: http://127.0.0.1" in outcome.out
    assert "by hand" not in outcome.out


def test_what_is_left_for_a_person_is_no_failure(run: Any, vsr: Any, tmp_path: Path) -> None:
    outcome = run(*vsr("--raw", tmp_path, "--only", "images"))
    assert outcome.status == 0
    assert "by hand: images/coco/train2017" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("vqa2",), "unknown source 'vqa2', did you mean 'vqav2'?"),
        (("vqav2", "--splits", "trian"), "vqav2 has no split 'trian'"),
        (("vqav2", "--layout", "karpathy"), "vqav2 has no layout 'karpathy'"),
        (("vqav2", "--raw", "s3://bucket/raw"), "downloads are written to a local folder"),
        (("vqav2", "--parallel", "0"), "--parallel 0: at least 1"),
        (("vqav2", "--json"), "--json needs --dry-run"),
    ],
)
def test_options_that_cannot_be_met_are_refused(
    run: Any, arguments: tuple[str, ...], said: str
) -> None:
    outcome = run("fetch", *arguments)
    assert outcome.status == 2
    assert said in outcome.message


def test_a_file_of_another_size_that_is_there_is_reported(
    run: Any, vsr: Any, web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = fetch.load_downloads()
    dev = listed.folders["vsr"]["zeroshot/dev.jsonl"].model_copy(update={"num_bytes": 3})
    folders = {**listed.folders, "vsr": {**listed.folders["vsr"], "zeroshot/dev.jsonl": dev}}
    newer = listed.model_copy(update={"folders": folders})
    monkeypatch.setattr(fetch, "load_downloads", lambda: newer)
    (tmp_path / "vsr/zeroshot").mkdir(parents=True)
    (tmp_path / "vsr/zeroshot/dev.jsonl").write_text("of an older release")
    outcome = run(*vsr("--raw", tmp_path, "--splits", "val"))
    assert outcome.status == 0
    assert "- vsr/zeroshot/dev.jsonl has 19 bytes, that of this test 3" in outcome.out
    assert not web.asked


def test_all_sources_share_their_images(run: Any, tmp_path: Path) -> None:
    outcome = run("fetch", "all", "--raw", tmp_path, "--dry-run")
    assert outcome.status == 0
    assert outcome.out.count("images/coco/train2014.zip ") == 1
    by_hand = [line for line in outcome.out.splitlines() if line.startswith("by hand")]
    assert len(by_hand) == sum(
        each.by_hand and each.name != "MSRVTT-QA.zip" for each in load_downloads().all()
    )
