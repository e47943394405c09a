import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datagen.errors import OutputError
from datagen.files import LocalFiles
from datagen.media.web_names import hashed_path, url_hash
from pipelines.fetch.http import Rules
from pipelines.fetch.reasons import RequestError
from pipelines.fetch_images import part as part_module
from pipelines.fetch_images.options import FetchOptions
from pipelines.fetch_images.part import PartFetcher, hosts_that_fit
from pipelines.fetch_images.results import LoggedResults, Result, ResultLog
from pipelines.fetch_images.url_files import NUM_BUCKETS, PartUrls, UrlWriter

FILES = LocalFiles()
FAST = Rules(allow_private=True, connect_seconds=2, read_seconds=0.3, total_seconds=2)


@pytest.fixture(autouse=True)
def no_delays(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Let servers' rests last no time; the list is of those that were asked for."""
    asked: list[float | None] = []

    def delay(attempt: int, error: RequestError) -> float | None:
        asked.append(error.retry_after)
        return 0.0 if error.temporary and (error.retry_after or 0) <= 300 else error.retry_after

    monkeypatch.setattr(part_module, "delay_before", delay)
    return asked


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., dict[str, Result]]:
    """Download URLs to `tmp_path/out` and return the results by URL."""

    def run(*urls: str, **options: Any) -> dict[str, Result]:
        writer = UrlWriter(FILES, f"{tmp_path}/urls-")
        for url in urls:
            writer.add(url)
        writer.flush()
        part = PartUrls(FILES, writer.chunks, range(NUM_BUCKETS))
        given = FetchOptions(
            out=f"{tmp_path}/out", host_rate=None, connections=8, rules=FAST, tries=2
        )
        log = ResultLog(FILES, f"{tmp_path}/log", 0)
        PartFetcher(part, log, FILES, replace(given, **options)).run()
        part.close()
        found = [row for rows in LoggedResults(FILES, f"{tmp_path}/log") for row in rows]
        return {row.url: row for row in found}

    return run


def place(tmp_path: Path, url: str) -> Path:
    return tmp_path / "out" / hashed_path(url_hash(url))


def test_images_are_stored_by_their_urls_with_their_facts(
    fetch: Any, web: Any, jpeg: Any, tmp_path: Path
) -> None:
    urls = [web.url(f"/{n}.jpg", f"127.0.0.{n}") for n in range(1, 21)]
    for n in range(1, 21):
        web.pages[f"/{n}.jpg"] = (200, {"Content-Type": "image/jpeg"}, jpeg(40, 30, n))
    found = fetch(*urls)
    assert len(found) == 20
    for n, url in enumerate(urls, 1):
        assert place(tmp_path, url).read_bytes() == jpeg(40, 30, n)
        assert (found[url].status, found[url].reason) == (200, None)
        assert (found[url].width, found[url].height) == (40, 30)
        assert found[url].path == hashed_path(url_hash(url))


@pytest.mark.parametrize(
    ("page", "reason", "times"),
    [
        ((404, {}, b"no"), "not_found", 1),
        ((410, {}, b"no"), "gone", 1),
        ((451, {}, b"no"), "unavailable_for_legal_reasons", 1),
        ((403, {}, b"no"), "forbidden", 1),
        ((500, {}, b"no"), "server_error", 2),
        ((429, {"Retry-After": "3"}, b""), "rate_limited", 2),
        ((429, {"Retry-After": "86400"}, b""), "rate_limited", 1),
        ((302, {"Location": "/a"}, b""), "too_many_redirects", 1),
        ((302, {"Location": "ftp://a.example/b"}, b""), "unsupported_scheme", 1),
        (
            (200, {"Content-Type": "image/jpeg"}, b"<html>Please log in</html>"),
            "media_unreadable",
            1,
        ),
        ((200, {"Content-Type": "image/jpeg"}, b""), "media_empty", 1),
        ((200, {"Content-Length": "99"}, b"short"), "truncated", 2),
        ((200, {}, b"x" * 5_000), "too_large", 1),
        ((200, {"Content-Length": "9000000000"}, b"x"), "too_large", 1),
    ],
)
def test_a_failure_has_a_reason_and_is_repeated_only_where_that_may_help(
    fetch: Any, web: Any, page: Any, reason: str, times: int, tmp_path: Path
) -> None:
    if reason == "truncated":

        def cut(handler: Any) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort")
            handler.close_connection = True

        page = cut
    web.pages["/a"] = page
    found = fetch(web.url("/a"), max_bytes=4_000)[web.url("/a")]
    assert (found.reason, web.asked["/a"]) == (reason, times)
    assert found.path is None
    assert found.message
    assert not (tmp_path / "out").exists()


def test_a_body_of_unknown_length_is_bounded(fetch: Any, web: Any) -> None:
    def endless(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not handler.server.ended.is_set():
            handler.wfile.write(bytes(10_000))

    web.pages["/a"] = endless
    assert fetch(web.url("/a"), max_bytes=1_000_000)[web.url("/a")].reason == "too_large"


def test_a_busy_server_is_asked_again_after_the_rest_that_it_wants(
    fetch: Any, web: Any, jpeg: Any, no_delays: list[float | None]
) -> None:
    def busy(handler: Any) -> None:
        handler.server.pages["/a"] = (200, {}, jpeg())
        handler.send_response(429)
        handler.send_header("Retry-After", "7")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    web.pages["/a"] = busy
    assert fetch(web.url("/a"))[web.url("/a")].reason is None
    assert no_delays == [7.0]


def test_a_host_that_never_answers_is_given_up_and_others_are_not(
    fetch: Any, web: Any, jpeg: Any
) -> None:
    web.pages["/ok"] = (200, {}, jpeg())
    web.pages |= {f"/{n}": (503, {}, b"") for n in range(30)}
    down = [web.url(f"/{n}", "127.0.0.9") for n in range(30)]
    found = fetch(*down, web.url("/ok"), tries=1, host_connections=1)
    reasons = [found[url].reason for url in down]
    assert reasons == ["server_error"] * 5 + ["host_given_up"] * 25
    assert found[web.url("/ok")].reason is None
    assert sum(web.asked.values()) == 6


def test_dead_urls_are_no_reason_to_give_a_host_up(fetch: Any, web: Any) -> None:
    found = fetch(*(web.url(f"/{n}") for n in range(20)))
    assert {row.reason for row in found.values()} == {"not_found"}


def test_private_addresses_are_refused_unless_allowed(fetch: Any, web: Any) -> None:
    urls = [web.url("/a"), web.url("/a", "localhost"), "http://169.254.169.254/latest/"]
    found = fetch(*urls, rules=replace(FAST, allow_private=False))
    assert {row.reason for row in found.values()} == {"private_address"}
    assert len(found) == 3
    assert not web.asked


def test_other_schemes_and_what_is_no_url_are_counted(fetch: Any) -> None:
    found = fetch("file:///etc/passwd", "ftp://a.example/b.jpg", "nonsense", "data:image/png,x")
    assert {url: row.reason for url, row in found.items()} == {
        "file:///etc/passwd": "unsupported_scheme",
        "ftp://a.example/b.jpg": "unsupported_scheme",
        "nonsense": "bad_url",
        "data:image/png,x": "unsupported_scheme",
    }


def test_an_image_that_is_there_already_is_not_asked_for(
    fetch: Any, web: Any, jpeg: Any, tmp_path: Path
) -> None:
    url = web.url("/a.jpg")
    place(tmp_path, url).parent.mkdir(parents=True)
    place(tmp_path, url).write_bytes(jpeg())
    found = fetch(url)[url]
    assert (found.reason, found.status, found.bytes) == (None, None, len(jpeg()))
    assert not web.asked


def test_a_host_has_a_few_requests_at_a_time_and_hosts_run_beside_each_other(
    fetch: Any, web: Any, jpeg: Any
) -> None:
    lock, most, active = threading.Lock(), {"all": 0}, {"all": 0}

    def page(handler: Any) -> None:
        host = handler.headers["Host"]
        with lock:
            for key in ("all", host):
                active[key] = active.get(key, 0) + 1
                most[key] = max(most.get(key, 0), active[key])
        time.sleep(0.01)
        with lock:
            for key in ("all", host):
                active[key] -= 1
        body = jpeg()
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    web.pages["/a"] = page
    web.pages |= {f"/{n}": page for n in range(10)}
    urls = [web.url(f"/{n}", f"127.0.0.{h}") for n in range(10) for h in range(1, 5)]
    fetch(*urls, host_connections=2)
    assert max(most[host] for host in most if host != "all") <= 2
    assert most["all"] > 2


def test_a_full_disk_ends_the_download_and_results_so_far_are_kept(
    fetch: Any, web: Any, jpeg: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    web.pages |= {f"/{n}": (200, {}, jpeg()) for n in range(9)}
    keep = part_module.ImageFolder.keep
    calls = []

    def full(self: Any, file: Any, path: str) -> Any:
        calls.append(path)
        if len(calls) > 4:
            raise OutputError("no space left")
        return keep(self, file, path)

    monkeypatch.setattr(part_module.ImageFolder, "keep", full)
    with pytest.raises(OutputError, match="no space left"):
        fetch(*(web.url(f"/{n}") for n in range(9)), connections=1)
    assert len(LoggedResults(FILES, f"{tmp_path}/log")) == 4


@pytest.mark.parametrize(
    ("soft", "hard", "hosts", "allowed"),
    [
        (1_024, 1 << 20, 256, 2_496),
        (1_024, 1_024, 72, 1_024),
        (100, 300, 1, 300),
        (1 << 20, 1 << 20, 256, None),
        (-1, -1, 256, None),
        (1_024, -1, 256, 2_496),
    ],
)
def test_no_more_connections_stay_open_than_a_process_may_have_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, hosts: int, allowed: int | None
) -> None:
    limits = []
    monkeypatch.setattr(part_module.resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(part_module.resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert hosts_that_fit(connections=64, each=4) == hosts
    assert limits == ([] if allowed is None else [(allowed, hard)])
