"""JPEGs, and a site with images and the download of its list."""

import io
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.cli.main import main


@lru_cache
def _encoded(width: int, height: int, shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 90, 200)).save(data, "JPEG")
    return data.getvalue()


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Make a JPEG of a size, another for each shade."""
    return lambda width=40, height=30, shade=0: _encoded(width, height, shade)


class Site:
    """Pages of a server, and the download of their list to a folder."""

    def __init__(self, web: Any, jpeg: Any, folder: Path, capsys: Any) -> None:
        self.web, self.folder, self.out, self.capsys = web, folder, folder / "images", capsys
        self.urls: list[str] = []
        for number in range(12):
            web.pages[f"/{number}.jpg"] = (200, {}, jpeg(90, 60, number))
            self.urls.append(web.url(f"/{number}.jpg", f"127.0.0.{number % 3 + 1}"))

    def list(self, urls: list[str], name: str = "list.json") -> Path:
        path = self.folder / name
        path.write_text(json.dumps([{"url": url, "caption": "c"} for url in urls]))
        return path

    def fetch(self, path: Path, *options: str) -> tuple[int, str, str]:
        fixed = ("--out", str(self.out), "--allow-private", "--host-rate", "0")
        status = main(["fetch-images", str(path), *fixed, *options])
        printed = self.capsys.readouterr()
        return status, printed.out, printed.err

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["url"]: row for row in pq.read_table(self.out / "results.parquet").to_pylist()}


@pytest.fixture
def site(web: Any, jpeg: Callable[..., bytes], tmp_path: Path, capsys: Any) -> Site:
    return Site(web, jpeg, tmp_path, capsys)
