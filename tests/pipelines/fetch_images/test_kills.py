"""A download that is killed at any moment, in a process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from datagen.media.web_names import hashed_path, url_hash


@pytest.mark.slow
def test_a_killed_download_resumes_and_asks_for_no_image_again(
    web: Any, jpeg: Any, site: Any
) -> None:
    """Killed once the server has been asked for another twentieth of the list, three times."""
    body = jpeg()

    def slowly(handler: Any) -> None:
        time.sleep(0.01)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    urls = [web.url(f"/{n}.png", f"127.0.0.{n % 9 + 1}") for n in range(400)]
    web.pages |= {f"/{n}.png": slowly for n in range(400)}
    path = site.list([*urls, web.url("/dead")])
    command = [str(Path(sys.executable).with_name("visinstruct")), "fetch-images", str(path)]
    command += ["--out", str(site.out), "--allow-private", "--host-rate", "0", "--connections", "4"]
    for _ in range(3):
        before = web.asked.total()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while web.asked.total() < before + 20 and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        there = {url for url in urls if (site.out / hashed_path(url_hash(url))).exists()}
        finished = {url: web.asked[f"/{url.rsplit('/', 1)[1]}"] for url in there}
        assert len(finished) > 10
        time.sleep(0.1)  # what it had asked for reaches the server
        for url, times in finished.items():
            web.pages[f"/{url.rsplit('/', 1)[1]}"] = (500, {}, f"asked {times + 1} times".encode())
    (site.out / "ab").mkdir(exist_ok=True)
    (site.out / "ab" / "c.jpg.1234.tmp").write_bytes(b"half")
    assert site.fetch(path)[0] == 0
    rows = site.rows()
    assert {row["reason"] for url, row in rows.items() if url in urls} == {None}
    assert len(rows) == 401
    assert not [*site.out.rglob("*.tmp")]
