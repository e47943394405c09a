from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.files import LocalFiles
from datagen.media.web_names import url_hash
from pipelines.fetch_images.url_files import (
    NUM_BUCKETS,
    PartUrls,
    UrlWriter,
    host_of,
    url_digest,
)

ALL = range(NUM_BUCKETS)


def written(tmp_path: Path, wanted: list[str], done: list[str], **options: int) -> UrlWriter:
    writer = UrlWriter(LocalFiles(), f"{tmp_path}/urls-", **options)
    for url in done:
        writer.add(url, done=True)
    for url in wanted:
        writer.add(url)
    writer.flush()
    return writer


def hosts_of(urls: PartUrls) -> list[list[str]]:
    starts = list(urls.starts)
    return [[urls[number] for number in range(start, end)] for start, end in pairwise(starts)]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.example/b.jpg", "a.example"),
        ("  HTTPS://A.example:8080/", "a.example"),
        ("http://user:word@a.example.?x@y", "a.example"),
        ("http://[::1]:80/a", "[::1]"),
        ("http://a.example\\@b.example/", "a.example"),
        ("http://a.example#@b.example/", "a.example"),
        ("ftp://a.example/", ""),
        ("a.example/b.jpg", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_url_is_found_by_its_text(url: str, host: str) -> None:
    assert host_of(url) == host


def test_the_digest_of_a_url_is_the_name_of_its_image() -> None:
    assert url_digest("http://a.example/ü").hex() == url_hash("http://a.example/ü")


def test_urls_are_kept_once_by_host_in_the_order_of_the_list(tmp_path: Path) -> None:
    wanted = [f"http://{host}.example/{n}" for n in range(5) for host in "abc"]
    done = ["http://a.example/1", "http://c.example/3", "http://other.example/"]
    chunks = written(tmp_path, wanted + wanted[::-1], done).chunks
    urls = PartUrls(LocalFiles(), chunks, ALL)
    assert sorted(hosts_of(urls)) == [
        [f"http://a.example/{n}" for n in (0, 2, 3, 4)],
        [f"http://b.example/{n}" for n in range(5)],
        [f"http://c.example/{n}" for n in (0, 1, 2, 4)],
    ]
    assert len(urls) == 13
    urls.close()


def test_memory_is_bounded_by_writing_several_files(tmp_path: Path) -> None:
    wanted = [f"http://{n % 7}.example/{n}" for n in range(500)]
    writer = written(tmp_path, wanted, [], chunk_bytes=1_000)
    assert len(writer.chunks) > 10
    urls = PartUrls(LocalFiles(), writer.chunks, ALL)
    assert sorted(url for host in hosts_of(urls) for url in host) == sorted(wanted)
    urls.close()


def test_parts_share_no_host_and_lose_no_url(tmp_path: Path) -> None:
    wanted = [f"http://{n % 50}.example/{n}" for n in range(300)]
    chunks = written(tmp_path, wanted, [], chunk_bytes=2_000).chunks
    parts = [PartUrls(LocalFiles(), chunks, range(part, NUM_BUCKETS, 3)) for part in range(3)]
    found = [{host_of(url) for host in hosts_of(part) for url in host} for part in parts]
    assert sum(map(len, found)) == 50
    assert sum(map(len, parts)) == 300
    for part in parts:
        part.close()


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=30))
def test_any_text_comes_back_as_it_was(tmp_path_factory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    urls = PartUrls(LocalFiles(), written(folder, texts, []).chunks, ALL)
    assert sorted(urls[number] for number in range(len(urls))) == sorted(set(texts))
    urls.close()


def test_a_file_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    chunks = written(tmp_path, ["http://a.example/"], []).chunks
    Path(chunks[0].path).write_bytes(b"")
    with pytest.raises(EOFError, match="cut off"):
        PartUrls(LocalFiles(), chunks, ALL)
