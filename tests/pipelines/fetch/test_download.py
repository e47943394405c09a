"""One download: resumed, tried again, checked, and never taken for what it is not."""

import json
import random
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.fetch.download import (
    Downloaded,
    DownloadError,
    Expected,
    MismatchError,
    Patience,
    Stopped,
    download,
)
from pipelines.fetch.http import Client, Rules

BODY = random.Random(0).randbytes(300_000)


class Log:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.seen: list[tuple[int, int | None]] = []

    def at(self, num_bytes: int, total: int | None) -> None:
        self.seen.append((num_bytes, total))

    def say(self, message: str) -> None:
        self.messages.append(message)

    @property
    def text(self) -> str:
        return "\n".join(self.messages)


class Run:
    """Downloads `/file` of the server to `NAME`, and remembers pauses and messages."""

    def __init__(self, web: Any, folder: Path, client: Client) -> None:
        self.web, self.folder, self.client = web, folder, client
        self.log, self.pauses = Log(), list[float]()

    def wait(self, seconds: float) -> None:
        if seconds:
            self.pauses.append(seconds)

    def __call__(self, name: str = "a.bin", path: str = "/file", **expected: Any) -> Downloaded:
        return download(
            self.client,
            self.web.url(path),
            self.folder / name,
            Expected(**expected),
            self.log,
            Patience(attempts=4, slow_seconds=0.2, slow_bytes=1000, wait=self.wait),
        )

    def left(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir())


@pytest.fixture
def run(web: Any, tmp_path: Path) -> Iterator[Run]:
    client = Client(Rules(allow_private=True, read_seconds=0.3, head_seconds=2))
    yield Run(web, tmp_path, client)
    client.close()


def test_a_file_gets_its_name_once_it_is_complete_and_checked(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)
    done = run(sha256=page.sha256, num_bytes=len(BODY))
    assert done == Downloaded(len(BODY), page.sha256, "sha256")
    assert run.left() == ["a.bin"]
    assert (run.folder / "a.bin").read_bytes() == BODY
    assert run.log.seen[-1] == (len(BODY), len(BODY))


@pytest.mark.parametrize(
    ("expected", "check"), [({"num_bytes": len(BODY)}, "size"), ({}, "nothing")]
)
def test_what_is_not_known_is_not_checked_and_says_so(
    run: Run, serve: Any, expected: dict[str, Any], check: str
) -> None:
    serve("/file", BODY)
    assert run(**expected).checked == check


def test_a_download_that_breaks_off_is_resumed_by_range(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)
    page.before = [page.breaks_after(100_000), page.breaks_after(1000)]
    assert run().sha256 == page.sha256
    assert page.requests == [
        {},
        {"Range": "bytes=100000-", "If-Range": '"1"'},
        {"Range": "bytes=101000-", "If-Range": '"1"'},
    ]
    assert len(run.pauses) == 2


def test_a_part_of_an_earlier_run_is_continued(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)
    page.before = [page.breaks_after(100_000), lambda handler: handler.send_error(403)]
    with pytest.raises(DownloadError, match="100,000 bytes are kept, start the same command again"):
        run()
    assert run.left() == ["a.bin.part", "a.bin.part.json"]
    assert run().sha256 == page.sha256
    assert page.requests[-1]["Range"] == "bytes=100000-"
    assert run.left() == ["a.bin"]


def test_a_whole_part_is_checked_without_a_request(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)
    (run.folder / "a.bin.part").write_bytes(BODY)
    assert run(sha256=page.sha256, num_bytes=len(BODY)).checked == "sha256"
    assert page.requests == []


def test_a_server_that_refuses_ranges_sends_it_from_the_start(run: Run, serve: Any) -> None:
    page = serve("/file", BODY, ranges=False)
    page.before = [page.breaks_after(100_000)]
    assert run().sha256 == page.sha256
    assert "sent from its start: it has changed, or the server refuses ranges" in run.log.text


def test_a_file_that_changes_between_two_ranges_is_not_mixed(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)

    def changes(handler: Any) -> None:
        page.send(handler, only=100_000)
        page.body, page.etag = BODY[::-1], '"2"'

    page.before = [changes]
    assert run().sha256 == page.sha256
    assert (run.folder / "a.bin").read_bytes() == BODY[::-1]


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_server_that_sends_ranges_of_a_changed_file_is_found_out(
    run: Run, web: Any, header: str
) -> None:
    """It does not heed If-Range."""
    new = BODY[::-1]

    def page(handler: Any) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        first = web.asked["/file"] == 1
        handler.send_response(206 if start else 200)
        handler.send_header(header, "Thu, 01 Jan 1970 00:00:00 GMT" if first else "later")
        handler.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        handler.send_header("Content-Length", str(len(BODY) - start))
        handler.end_headers()
        handler.wfile.write(BODY[:100_000] if first else new[start:])
        handler.close_connection = True

    web.pages["/file"] = page
    run()
    assert (run.folder / "a.bin").read_bytes() == new
    assert "the file has changed; it is downloaded from its start" in run.log.text


def test_a_server_that_sends_less_than_was_asked_for_is_asked_again(run: Run, web: Any) -> None:
    def page(handler: Any) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        part = BODY[start : start + 120_000]
        handler.send_response(206)
        handler.send_header("ETag", '"1"')
        handler.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(BODY)}")
        handler.send_header("Content-Length", str(len(part)))
        handler.end_headers()
        handler.wfile.write(part)

    web.pages["/file"] = page
    run()
    assert (run.folder / "a.bin").read_bytes() == BODY
    assert web.asked["/file"] == 3
    assert "the server sent 120,000 of 300,000 bytes" in run.log.text


def test_a_part_that_spoils_the_hash_is_downloaded_again(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)
    page.before = [page.breaks_after(100_000), lambda handler: handler.send_error(403)]
    with pytest.raises(DownloadError):
        run()
    with open(run.folder / "a.bin.part", "r+b") as part:
        part.write(b"spoilt")
    assert run(sha256=page.sha256).checked == "sha256"


def test_without_a_version_nothing_is_resumed(run: Run, serve: Any) -> None:
    page = serve("/file", BODY, etag=None)
    page.before = [page.breaks_after(100_000)]
    assert run().sha256 == page.sha256
    assert page.requests == [{}, {}]
    assert "gives no version" in run.log.text


def test_a_weak_etag_is_no_version_but_a_date_is(run: Run, serve: Any) -> None:
    page = serve("/file", BODY, etag='W/"1"')
    page.before = [page.breaks_after(100_000)]
    assert run().sha256 == page.sha256
    assert page.requests == [{}, {}]
    requests = []

    def send(handler: Any) -> None:
        requests.append(handler.headers.get("If-Range"))
        handler.send_response(200)
        handler.send_header("Last-Modified", formatdate(0, usegmt=True))
        handler.send_header("Content-Length", "70000")
        handler.end_headers()
        handler.wfile.write(BODY[: 70_000 if len(requests) > 1 else 100])
        handler.close_connection = True

    run.web.pages["/dated"] = send
    run("b.bin", "/dated")
    assert requests == [None, formatdate(0, usegmt=True)]


def test_with_a_known_hash_it_is_resumed_without_a_version_and_mixed_files_are_found(
    run: Run, serve: Any
) -> None:
    page = serve("/file", BODY, etag=None)

    def changes(handler: Any) -> None:
        page.send(handler, only=100_000)
        page.body = BODY[::-1]

    page.before = [changes]
    assert run(sha256=serve("/other", BODY[::-1]).sha256).checked == "sha256"
    assert [each.get("Range") for each in page.requests] == [None, "bytes=100000-", None]


@pytest.mark.parametrize("sent", ["bytes 0-299999/300000", "bytes 7-8", "", "bytes */300000"])
def test_a_part_that_was_not_asked_for_is_not_appended(run: Run, serve: Any, sent: str) -> None:
    page = serve("/file", BODY)

    def lies(handler: Any) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", sent)
        handler.send_header("Content-Length", "3")
        handler.end_headers()
        handler.wfile.write(b"lie")

    page.before = [page.breaks_after(100_000), lies]
    assert run().sha256 == page.sha256
    assert (run.folder / "a.bin").read_bytes() == BODY


def test_a_file_that_changes_all_the_time_is_given_up(run: Run, web: Any) -> None:
    def ever_new(handler: Any) -> None:
        number = web.asked["/file"]
        if "Range" in handler.headers:
            handler.send_response(416)
        else:
            handler.send_response(200)
            handler.send_header("ETag", f'"{number}"')
        handler.send_header("Content-Length", "500000")
        handler.end_headers()
        handler.wfile.write(BODY[:100_000])
        handler.close_connection = True

    web.pages["/file"] = ever_new
    with pytest.raises(DownloadError, match="start the command again later"):
        run()


def test_a_stall_and_a_trickle_are_resumed(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)

    def stalls(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("ETag", '"1"')
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:100_000])
        handler.wfile.flush()
        handler.server.ended.wait(1)
        handler.close_connection = True

    def trickles(handler: Any) -> None:
        page.send(handler, only=0)
        for byte in BODY[100_000:100_100]:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            handler.server.ended.wait(0.02)

    page.before = [stalls, trickles]
    assert run().sha256 == page.sha256
    assert "silent" in run.log.text
    assert "bytes came in" in run.log.text


@pytest.mark.parametrize(
    ("status", "header", "least", "most"),
    [
        (429, "7", 7, 8),
        (503, None, 0.5, 1),
        (429, formatdate(0, usegmt=True), 0, 1),
    ],
)
def test_it_waits_as_long_as_the_server_asks_and_tries_again(
    run: Run, serve: Any, status: int, header: str | None, least: float, most: float
) -> None:
    page = serve("/file", BODY)

    def busy(handler: Any) -> None:
        handler.send_response(status)
        if header:
            handler.send_header("Retry-After", header)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    page.before = [busy]
    assert run().sha256 == page.sha256
    assert len(run.pauses) == 1
    assert least <= run.pauses[0] <= most
    assert f"the server answers {status}; the next attempt is in" in run.log.text


def test_it_gives_up_after_some_failures_in_a_row(run: Run, web: Any) -> None:
    web.pages["/file"] = (503, {}, b"")
    with pytest.raises(DownloadError, match="the server answers 503, 4 times"):
        run()
    assert web.asked["/file"] == 4


def test_it_does_not_wait_for_a_day(run: Run, web: Any) -> None:
    web.pages["/file"] = (429, {"Retry-After": "86400"}, b"")
    with pytest.raises(DownloadError, match="asks to wait 86,400 s"):
        run()
    assert web.asked["/file"] == 1


def test_what_is_not_there_is_not_tried_again(run: Run, web: Any) -> None:
    with pytest.raises(DownloadError, match=r"/file: the server answers 404$"):
        run()
    assert run.pauses == []


def test_another_hash_is_kept_aside_and_never_used(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)
    with pytest.raises(MismatchError, match=f"its sha256 is {page.sha256}, that of tfds 0000") as e:
        run(sha256="0" * 64, read_in="tfds")
    assert "rename it to a.bin" in str(e.value)
    assert run.left() == ["a.bin.mismatch"]


def test_another_announced_size_is_refused_before_the_first_byte(run: Run, serve: Any) -> None:
    serve("/file", BODY)
    with pytest.raises(MismatchError, match="has 300,000 bytes, that of tfds 5; nothing was down"):
        run(num_bytes=5, read_in="tfds")
    assert run.left() == []


def test_a_length_that_is_not_announced_is_checked_at_the_end(run: Run, web: Any) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(BODY)

    web.pages["/file"] = endless
    assert run(num_bytes=len(BODY)).checked == "size"
    with pytest.raises(MismatchError, match="its size in bytes is"):
        run("b.bin", num_bytes=len(BODY) + 1)
    with pytest.raises(MismatchError, match="its size in bytes is"):
        run("c.bin", num_bytes=1000)
    assert run.left() == ["a.bin", "b.bin.mismatch", "c.bin.mismatch"]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a.json", b"<!DOCTYPE html><html>" + b" " * 5_000, r"is a web page \(HTML\)"),
        ("a.zip", b"<html>log in</html>", r"is a web page \(HTML\)"),
        ("a.zip", b"Rar!" * 400, r"is no \.zip file"),
        ("a.tar.gz", b"x" * 5_000, r"is no \.gz file"),
        ("a.json", b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
        ("a.json", b"", "is empty"),
    ],
)
def test_a_page_in_the_place_of_the_file_is_refused(
    run: Run, serve: Any, name: str, body: bytes, said: str
) -> None:
    serve("/file", body)
    with pytest.raises(DownloadError, match=said):
        run(name)
    assert run.left() == []


def test_an_encoding_of_the_server_is_not_undone(run: Run, web: Any) -> None:
    body = b"\x1f\x8b" + BODY
    web.pages["/file"] = (200, {"Content-Encoding": "x-gzip", "ETag": '"1"'}, body)
    run("a.tar.gz")
    assert (run.folder / "a.tar.gz").read_bytes() == body


def test_a_disk_that_is_too_small_is_named_before_the_first_byte(
    run: Run, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    serve("/file", BODY)
    with pytest.raises(DownloadError, match=r"0\.0 GB are to be downloaded, 0\.0 GB are free"):
        run()
    assert run.left() == []


def test_a_disk_that_fills_up_keeps_what_is_there(
    run: Run, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("/file", BODY)

    def full(num_bytes: int, total: int | None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.log, "at", full)
    with pytest.raises(DownloadError, match="no space left"):
        run()
    assert "a.bin.part" in run.left()


def test_a_part_of_another_address_is_not_continued(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)
    (run.folder / "a.bin.part").write_bytes(b"other")
    state = {"url": "http://other.example/", "etag": '"1"', "last_modified": None, "total": None}
    (run.folder / "a.bin.part.json").write_text(json.dumps(state))
    assert run().sha256 == page.sha256
    assert page.requests == [{}]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"url": 1, "other": 2}', "null"])
def test_a_damaged_state_starts_again(run: Run, serve: Any, text: str) -> None:
    page = serve("/file", BODY)
    (run.folder / "a.bin.part").write_bytes(b"other")
    (run.folder / "a.bin.part.json").write_text(text)
    assert run().sha256 == page.sha256


def test_it_can_be_stopped_and_continued(run: Run, serve: Any) -> None:
    page = serve("/file", BODY)

    def wait(seconds: float) -> None:
        raise Stopped

    run.wait = wait  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        run()
    assert "a.bin.part" in run.left()
    run.wait = lambda seconds: None  # type: ignore[method-assign]
    assert run().sha256 == page.sha256
    assert "Range" in page.requests[-1]
