"""The documentation as a site: no broken link, and nothing that is loaded from elsewhere."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("mkdocs", "material", "mkdocstrings"))),
    reason="the extra `docs` is not installed",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--site-dir", str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in docs_pages()}
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert pages <= built and len(pages) > 15


def docs_pages() -> list[Path]:
    return list((ROOT / "docs").rglob("*.md"))


def test_pages_load_nothing_from_other_servers(site):
    loaded = re.compile(
        r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"?(?:https?:)?//([^\"/ >]+)"
    )
    for path in site.rglob("*.html"):
        assert loaded.findall(path.read_text(encoding="utf-8")) == [], path
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(\"?(https?:)?//|@import", path.read_text(encoding="utf-8"))


def test_the_api_page_documents_every_public_function(site):
    text = (site / "reference/api.html").read_text(encoding="utf-8")
    for name in (
        "open_dataset",
        "render",
        "mixture",
        "open_stream",
        "load_model",
        "answer",
        "rank",
    ):
        assert re.search(rf'id="[\w.]*\b{name}"', text), name
