"""Several downloads: what is there is left alone, the rest is brought, and one failure stops no other."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen.files import locked_file
from datagen.schema.download import Download
from datagen.sources import SOURCE_IDS, load_source
from datagen.sources.downloads import load_downloads, needed
from pipelines.fetch.download import Patience, Progress, Stopped
from pipelines.fetch.fetch import Outcome, State, bring, fetch, files_there, state_of
from pipelines.fetch.http import Client, Rules
from pipelines.fetch.record import lock_path, read_record


class View:
    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[Outcome] = []
        self.messages: list[str] = []

    def start(self, download: Download) -> Progress:
        self.started.append(download.path)
        return self

    def at(self, num_bytes: int, total: int | None) -> None:
        pass

    def say(self, message: str) -> None:
        self.messages.append(message)

    def end(self, outcome: Outcome) -> None:
        self.ended.append(outcome)


def zipped(**contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name.replace("__", "/"), data)
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(Rules(allow_private=True, read_seconds=2)) as client:
        yield client


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def offer(web: Any) -> Callable[..., Download]:
    """Serve a body and return its download."""

    def offer(folder: str, name: str, body: bytes, **fields: Any) -> Download:
        web.pages[f"/{folder}/{name}"] = (200, {"ETag": '"1"'}, body)
        url = web.url(f"/{folder}/{name}")
        given = {"folder": folder, "name": name, "url": url, "read_in": ["test"], **fields}
        return Download.model_validate(given)

    return offer


@pytest.fixture
def plain(offer: Callable[..., Download]) -> Download:
    body = b"[1, 2, 3]"
    return offer("textvqa", "a.json", body, brings=["a.json"], sha256=sha256(body), bytes=len(body))


@pytest.fixture
def images(offer: Callable[..., Download]) -> Download:
    body = zipped(train2014__a_jpg=b"a", train2014__b_jpg=b"bb")
    return offer(
        "images/coco", "train2014.zip", body, images_of={"vqav2": ["train"]}, fills="train2014"
    )


def tree(folder: Path) -> list[str]:
    return sorted(
        each.relative_to(folder).as_posix()
        for each in folder.rglob("*")
        if each.is_file() and ".fetch" not in each.parts
    )


def test_files_and_images_lie_where_the_build_looks_for_them(
    client: Client, raw: Path, plain: Download, images: Download
) -> None:
    outcomes = fetch(client, raw, [plain, images], View())
    assert [(each.state, each.checked, each.is_new) for each in outcomes] == [
        (State.COMPLETE, "sha256", True),
        (State.COMPLETE, "nothing", True),
    ]
    assert tree(raw) == [
        "images/coco/train2014/a_jpg",
        "images/coco/train2014/b_jpg",
        "textvqa/a.json",
    ]


def test_a_second_run_asks_no_server(
    client: Client, raw: Path, plain: Download, images: Download, web: Any
) -> None:
    fetch(client, raw, [plain, images], View())
    asked = web.asked.copy()
    view = View()
    outcomes = fetch(client, raw, [plain, images], view)
    assert [(each.state, each.is_new) for each in outcomes] == [(State.COMPLETE, False)] * 2
    assert web.asked == asked
    assert view.started == []


def test_what_is_missing_or_of_another_size_is_brought_again(
    client: Client, raw: Path, plain: Download, images: Download, web: Any
) -> None:
    fetch(client, raw, [plain, images], View())
    (raw / "images/coco/train2014/a_jpg").unlink()
    (raw / "textvqa/a.json").write_text("[]")
    assert state_of(raw, plain).state is State.FOUND  # somebody has changed it
    outcomes = fetch(client, raw, [images], View())
    assert [each.state for each in outcomes] == [State.FOUND]  # somebody has removed images
    (raw / "textvqa/a.json").unlink()
    assert [each.is_new for each in fetch(client, raw, [plain], View())] == [True]
    assert (raw / "textvqa/a.json").read_bytes() == b"[1, 2, 3]"


def test_archives_are_kept_only_if_asked_for(client: Client, raw: Path, images: Download) -> None:
    fetch(client, raw, [images], View(), keep_archives=True)
    assert (raw / images.path).exists()
    assert state_of(raw, images).state is State.COMPLETE


def test_an_archive_that_a_person_has_put_there_is_unpacked(
    client: Client, raw: Path, images: Download, web: Any
) -> None:
    (raw / "images/coco").mkdir(parents=True)
    (raw / images.path).write_bytes(web.pages[f"/{images.path}"][2])
    view = View()
    assert fetch(client, raw, [images], view)[0].is_new
    assert not web.asked
    assert "is there already, and is unpacked" in view.messages[0]
    assert len(tree(raw)) == 2


def test_files_that_others_have_put_there_are_left_alone(
    client: Client, raw: Path, plain: Download, images: Download, web: Any
) -> None:
    (raw / "textvqa").mkdir(parents=True)
    (raw / "textvqa/a.json").write_text("mine")
    (raw / "images/coco/train2014").mkdir(parents=True)
    (raw / "images/coco/train2014/x.jpg").write_text("mine")
    outcomes = fetch(client, raw, [plain, images], View())
    assert [each.state for each in outcomes] == [State.FOUND] * 2
    assert not web.asked
    assert (raw / "textvqa/a.json").read_text() == "mine"


def test_one_failure_stops_no_other(
    client: Client, raw: Path, plain: Download, images: Download, web: Any
) -> None:
    del web.pages[f"/{images.path}"]
    view = View()
    outcomes = fetch(client, raw, [images, plain], view, parallel=1)
    assert [each.state for each in outcomes] == [State.FAILED, State.COMPLETE]
    assert "the server answers 404" in (outcomes[0].message or "")
    assert view.ended == outcomes


def test_a_mismatch_is_not_unpacked(
    client: Client, raw: Path, offer: Callable[..., Download]
) -> None:
    wanted = offer("vqav2", "a.zip", zipped(b=b"x"), brings=["b"], sha256="0" * 64, origin="tfds")
    outcome = fetch(client, raw, [wanted], View())[0]
    assert outcome.state is State.MISMATCH
    assert "that of tfds 000" in (outcome.message or "")
    assert tree(raw) == ["vqav2/a.zip.mismatch"]
    assert read_record(raw, wanted) is None


def test_a_bad_archive_fails_and_leaves_nothing_of_it(
    client: Client, raw: Path, offer: Callable[..., Download]
) -> None:
    wanted = offer("vqav2", "a.zip", zipped(b=b"x", **{"..__c": b"bad"}), brings=["b"])
    outcome = fetch(client, raw, [wanted], View())[0]
    assert outcome.state is State.FAILED
    assert "leads out of its folder" in (outcome.message or "")
    assert tree(raw.parent) == ["raw/vqav2/a.zip"]


def test_a_run_that_was_stopped_while_it_unpacked_is_continued(
    client: Client, raw: Path, images: Download, web: Any
) -> None:
    left = 1 + 1  # a chunk of the download, a member

    def wait(seconds: float) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped

    with pytest.raises(Stopped):
        bring(client, raw, images, View(), Patience(wait=wait))
    assert (raw / images.path).exists()
    assert state_of(raw, images).state is State.ABSENT
    assert fetch(client, raw, [images], View())[0].is_new
    assert web.asked[f"/{images.path}"] == 1
    assert len(tree(raw)) == 2


def test_two_fetches_at_once_download_once(
    raw: Path, images: Download, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.fetch.fetch.LOCK_SECONDS", 0.01)

    def one() -> None:
        with Client(Rules(allow_private=True)) as client:
            outcomes.extend(fetch(client, raw, [images], View()))

    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.state for each in outcomes] == [State.COMPLETE] * 3
    assert sum(each.is_new for each in outcomes) == 1
    assert web.asked[f"/{images.path}"] == 1


def test_another_process_is_waited_for_and_said(client: Client, raw: Path, plain: Download) -> None:
    view = View()
    with locked_file(lock_path(raw, plain)) as lock:

        def wait(seconds: float) -> None:
            if seconds:
                lock.close()  # the other process has ended

        outcome = bring(client, raw, plain, view, Patience(wait=wait))
    assert outcome.is_new
    assert view.messages == ["another process downloads it; waiting for that"]


def test_ctrl_c_stops_all_and_keeps_what_is_there(
    client: Client, raw: Path, offer: Callable[..., Download], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytes(1_000_000)
    wanted = [offer("vsr", f"{n}.json", body, brings=[f"{n}.json"]) for n in range(4)]
    joined = threading.Thread.join

    def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
        monkeypatch.setattr(threading.Thread, "join", joined)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(client, raw, wanted, View(), parallel=2)
    assert all(each.is_new or each.state for each in fetch(client, raw, wanted, View()))


def test_a_record_that_is_damaged_or_of_another_release_does_not_count(
    client: Client, raw: Path, plain: Download
) -> None:
    fetch(client, raw, [plain], View())
    (record,) = (raw / ".fetch").glob("*.json")
    newer = plain.model_copy(update={"sha256": "1" * 64})
    assert state_of(raw, plain).state is State.COMPLETE
    assert state_of(raw, newer).state is State.FOUND
    fields = json.loads(record.read_text())
    for text in ("", "[]", "{", json.dumps({**fields, "more": 1})):
        record.write_text(text)
        assert state_of(raw, plain).state is State.FOUND


def test_what_a_person_has_to_get_is_not_asked_for(client: Client, raw: Path, web: Any) -> None:
    wanted = Download(
        folder="ocr_vqa",
        name="dataset.json",
        access="drive",  # type: ignore[arg-type]
        page=web.url("/page"),
        brings=("dataset.json",),
        read_in=("test",),
    )
    assert fetch(client, raw, [wanted], View())[0].state is State.BY_HAND
    (raw / "ocr_vqa").mkdir(parents=True)
    (raw / "ocr_vqa/dataset.json").write_text("{}")
    assert fetch(client, raw, [wanted], View())[0].state is State.FOUND
    assert not web.asked


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_a_raw_folder_in_the_official_layout_needs_no_download(
    sample_raw: Path, source_id: str
) -> None:
    """The drawn sample has the files of every source, so that names and folders of the list are compared."""
    card = load_source(source_id).card
    wanted = needed(card, load_downloads(), there=files_there(sample_raw, card))
    absent = [
        each.path
        for each in (*wanted.files, *wanted.media)
        if state_of(sample_raw, each).state not in (State.FOUND, State.COMPLETE)
    ]
    flat = ["vizwiz"]  # its images may also lie in one folder, as they do in the sample
    assert source_id in flat or absent == []


@pytest.mark.parametrize(
    ("source_id", "strip"), [("vqav2", ""), ("aokvqa", ""), ("gqa", "images/"), ("scienceqa", "")]
)
def test_official_files_are_fetched_to_where_the_sample_has_them(
    client: Client, raw: Path, sample_raw: Path, web: Any, source_id: str, strip: str
) -> None:
    """Archives as publishers pack them, of the sample's files."""
    wanted = needed(load_source(source_id).card, load_downloads())
    served = []
    for each in (*wanted.files, *wanted.media):
        folder = sample_raw / each.folder
        names = list(each.brings)
        if each.fills is not None:
            names = [
                file.relative_to(folder).as_posix()
                for file in (folder / each.fills).rglob("*")
                if file.is_file()
            ]
        contents = {f"{strip * (not each.brings)}{n}": (folder / n).read_bytes() for n in names}
        web.pages[f"/{each.path}"] = (200, {}, packed(each, contents))
        update = {"url": web.url(f"/{each.path}"), "sha256": None, "num_bytes": None}
        served.append(each.model_copy(update=update))
    outcomes = fetch(client, raw, served, View())
    assert {each.state for each in outcomes} == {State.COMPLETE}
    fetched = tree(raw)
    assert fetched
    for name in fetched:
        assert (raw / name).read_bytes() == (sample_raw / name).read_bytes()


def packed(download: Download, contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    if not download.is_archive:
        return contents[download.name]
    if download.name.endswith(".zip"):
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, data)
        return file.getvalue()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


PROGRAM = """
import sys
from pathlib import Path
from datagen.schema.download import Download
from pipelines.console import messages
from pipelines.fetch.bars import Bars
from pipelines.fetch.fetch import fetch
from pipelines.fetch.http import Client, Rules

wanted = Download.model_validate_json(sys.argv[1])
with Client(Rules(allow_private=True)) as client, Bars(messages()) as bars:
    print(fetch(client, Path(sys.argv[2]), [wanted], bars))
"""


@pytest.mark.slow
def test_a_killed_download_is_resumed_and_its_lock_is_free(
    client: Client, raw: Path, web: Any, serve: Any
) -> None:
    body = bytes(range(256)) * 4_000
    page = serve("/a.json", body)
    arrived = threading.Event()

    def half(handler: Any) -> None:
        page.send(handler, only=500_000)
        arrived.set()
        handler.server.ended.wait(20)

    page.before = [half]
    wanted = Download(
        folder="vsr",
        name="a.json",
        url=web.url("/a.json"),
        brings=("a.json",),
        sha256=sha256(body),
        read_in=("test",),
    )
    command = [sys.executable, "-c", PROGRAM, wanted.model_dump_json(by_alias=True), str(raw)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3]) as process:
        assert arrived.wait(20)
        part = raw / "vsr/a.json.part"
        while not (part.exists() and part.stat().st_size == 500_000):
            assert process.poll() is None
        process.kill()
    assert fetch(client, raw, [wanted], View())[0].is_new
    assert page.requests[-1] == {"Range": "bytes=500000-", "If-Range": '"1"'}
    assert (raw / "vsr/a.json").read_bytes() == body
