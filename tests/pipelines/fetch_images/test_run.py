from typing import Any

import fsspec
import pytest

from datagen.files import locked_file
from datagen.media.web_names import hashed_path, url_hash
from pipelines.cli.main import main
from pipelines.fetch_images import results, run


def test_a_list_becomes_a_folder_of_images_and_a_result_file(site: Any) -> None:
    dead = site.web.url("/dead")
    status, out, _ = site.fetch(site.list([*site.urls, dead, *site.urls, "ftp://a.example/b"]))
    assert status == 0
    assert "fetched" in out
    assert "not_found" in out
    assert f"12 images in {site.out}, 2 URLs without one" in out
    assert [site.web.asked[f"/{n}.jpg"] for n in range(12)] == [1] * 12
    rows = site.rows()
    assert set(rows) == {*site.urls, dead, "ftp://a.example/b"}
    for url in site.urls:
        assert rows[url]["path"] == hashed_path(url_hash(url))
        assert (site.out / rows[url]["path"]).stat().st_size == rows[url]["bytes"]
    assert [path.name for path in site.out.iterdir() if path.name.startswith(".")] == []


def test_the_same_command_again_asks_for_nothing(site: Any) -> None:
    path = site.list([*site.urls, site.web.url("/dead")])
    site.fetch(path)
    before = sum(site.web.asked.values())
    status, out, _ = site.fetch(path)
    assert (status, sum(site.web.asked.values())) == (0, before)
    assert "12 images" in out


def test_another_list_adds_to_the_folder(site: Any) -> None:
    site.fetch(site.list(site.urls[:5]))
    site.fetch(site.list(site.urls[3:], "second.json"))
    assert set(site.rows()) == set(site.urls)
    assert sum(site.web.asked.values()) == 12


def test_failed_urls_are_asked_for_again_by_their_reason(site: Any, jpeg: Any) -> None:
    late, dead = site.web.url("/late"), site.web.url("/dead")
    site.web.pages["/late"] = (403, {}, b"")
    path = site.list([late, dead])
    status, *_ = site.fetch(path)
    assert status == 1  # more than half have no image
    site.web.pages["/late"] = (200, {}, jpeg())
    site.fetch(path, "--retry", "forbidden,timeout")
    rows = site.rows()
    assert (rows[late]["reason"], rows[dead]["reason"]) == (None, "not_found")
    assert (site.web.asked["/late"], site.web.asked["/dead"]) == (2, 1)
    site.fetch(path, "--retry", "all")
    assert site.web.asked["/dead"] == 2


def test_a_stopped_download_resumes_and_asks_for_no_finished_url_again(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few results the process ends, before their log is whole."""
    monkeypatch.setattr(results, "FLUSH_ROWS", 4)
    add, added = results.ResultLog.add, []

    def stops(self: Any, result: Any) -> None:
        if len(added) == 6:
            self._rows = []
            raise KeyboardInterrupt
        added.append(result)
        add(self, result)

    path = site.list(site.urls)
    with monkeypatch.context() as patch:
        patch.setattr(results.ResultLog, "add", stops)
        assert site.fetch(path, "--connections", "1")[0] == 130
    assert not (site.out / "results.parquet").exists()
    status, *_ = site.fetch(path)
    assert status == 0
    assert {row["reason"] for row in site.rows().values()} == {None}
    assert [site.web.asked[f"/{n}.jpg"] for n in range(12)] == [1] * 12


def test_images_are_shrunk_and_sizes_are_not_mixed(site: Any) -> None:
    path = site.list(site.urls)
    site.fetch(path, "--max-side", "30")
    assert {(row["width"], row["height"]) for row in site.rows().values()} == {(30, 20)}
    status, _, err = site.fetch(path, "--max-side", "50")
    assert status == 2
    assert "the images there were downloaded with --max-side 30; give the same again" in err
    status, _, err = site.fetch(path)
    assert status == 2


@pytest.mark.slow  # starts two interpreters
def test_two_processes_share_no_host_and_give_the_same_rows(site: Any) -> None:
    path = site.list(site.urls)
    site.fetch(path)
    one = site.rows()
    site.out = site.folder / "two"
    assert site.fetch(path, "--workers", "2")[0] == 0
    assert site.rows() == one


def test_parts_of_another_number_lose_no_url(site: Any) -> None:
    assert site.fetch(site.list(site.urls), "--parts", "300")[0] == 0
    assert set(site.rows()) == set(site.urls)


def test_private_addresses_are_refused_by_default(site: Any) -> None:
    path = site.list(site.urls)
    status = main(["fetch-images", str(path), "--out", str(site.out)])
    assert status == 1
    assert {row["reason"] for row in site.rows().values()} == {"private_address"}
    assert not site.web.asked


def test_what_a_row_lacks_is_told(site: Any) -> None:
    path = site.folder / "list.jsonl"
    path.write_text(f'{{"url": "{site.urls[0]}"}}\n{{"url": null}}\nnonsense\n')
    _, out, _ = site.fetch(path)
    assert "list.jsonl: 1 rows have no URL; first: list.jsonl, row 2" in out
    assert "list.jsonl: 1 rows cannot be read; first: list.jsonl, row 3" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--retry", "time_out"), "--retry time_out: no such reason, did you mean 'timeout'?"),
        (("--max-side", "0"), "--max-side 0 is less than 1"),
        (("--connections", "-1"), "--connections -1 is less than 1"),
        (("--timeout", "nan"), "--timeout nan is no number of seconds above 0"),
        (("--stall-minutes", "0"), "--stall-minutes 0.0 is no number of minutes above 0"),
        (("--host-rate", "-1"), "--host-rate -1.0 is negative"),
        (("--max-bytes", "much"), "--max-bytes: 'much' is not a size"),
        (("--max_side", "3"), "unknown option --max_side, did you mean '--max-side'?"),
        (("--url-column", "link"), "has no column 'link' but url, caption"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(
    site: Any, options: tuple[str, ...], message: str
) -> None:
    status, _, err = site.fetch(site.list(site.urls), *options)
    assert status == 2
    assert message in err
    assert not site.web.asked
    assert not site.out.exists()


def test_a_worker_of_another_version_is_refused(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "worker_versions", lambda: {"pillow": "0.1"})
    status, _, err = site.fetch(site.list(site.urls))
    assert status == 2
    assert "a worker has pillow" in err
    assert not site.web.asked


def test_a_list_that_is_missing_is_named(site: Any) -> None:
    status, _, err = site.fetch(site.folder / "none.json")
    assert status == 2
    assert "there is no list" in err
    assert "none.json" in err
    assert not site.out.exists()


def test_a_file_in_the_place_of_the_folder_is_refused(site: Any) -> None:
    site.out.write_text("")
    status, _, err = site.fetch(site.list(site.urls))
    assert status == 2
    assert "is no folder; give another --out" in err


def test_two_downloads_into_one_folder_do_not_run_at_once(site: Any) -> None:
    (site.out / run.STATE_FOLDER).mkdir(parents=True)
    with locked_file(site.out / run.STATE_FOLDER / "lock"):
        status, _, err = site.fetch(site.list(site.urls))
    assert status == 2
    assert "another download is writing to" in err


def test_images_and_results_may_lie_in_a_store(site: Any) -> None:
    store = fsspec.filesystem("memory").store
    store.clear()
    site.out = "memory://bucket/images"
    path = site.list([*site.urls, site.web.url("/dead")])
    assert site.fetch(path)[0] == 0
    images = [name for name in store if name.endswith(".jpg")]
    assert sorted(images) == sorted(
        f"/bucket/images/{hashed_path(url_hash(url))}" for url in site.urls
    )
    assert sorted(set(store) - set(images)) == ["/bucket/images/results.parquet"]
    before = site.web.asked.total()
    assert site.fetch(path)[0] == 0
    assert site.web.asked.total() == before
    store.clear()
