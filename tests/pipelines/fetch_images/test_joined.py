"""Downloaded images in builds: of Web CapFilt, and of a list of own data by its result file."""

import json
from typing import Any

from datagen.dataset import open_dataset
from pipelines.cli.main import main


def test_web_capfilt_finds_the_images_of_its_list(site: Any) -> None:
    raw = site.folder / "raw"
    (raw / "web_capfilt").mkdir(parents=True)
    site.out = raw / "images/web_capfilt"
    path = raw / "web_capfilt/ccs_filtered.json"
    urls = [*site.urls, site.web.url("/dead"), site.urls[0]]
    path.write_text(json.dumps([{"url": url, "caption": f"c {n}"} for n, url in enumerate(urls)]))
    assert site.fetch(path)[0] == 0
    assert main(["build", "--raw", str(raw), "--out", str(site.folder / "built")]) == 0
    split = open_dataset(str(site.folder / "built")).manifest.splits["web_capfilt"]["train"]
    assert (split.read, split.written) == (14, 13)
    assert split.rejected == {"media_missing": 1}


def test_own_data_join_the_result_file(site: Any) -> None:
    rows = [*site.urls, site.web.url("/dead")]
    path = site.folder / "photos.csv"
    path.write_text("url,caption\n" + "".join(f"{url},a caption\n" for url in rows))
    assert site.fetch(path)[0] == 0
    source = site.folder / "photos.yaml"
    source.write_text(
        "name: photos\ntask: caption\nfiles: photos.csv\n"
        "join: {file: images/results.parquet, by: url, name: fetched}\n"
        "columns: {image: fetched.path, caption: caption}\n"
        "images: {root: images, missing_column: skip}\n"
    )
    out = site.folder / "built"
    assert main(["build", "--source", str(source), "--out", str(out)]) == 0
    split = open_dataset(str(out)).manifest.splits["photos"]["train"]
    assert (split.read, split.written, split.filtered) == (13, 12, {"no image": 1})
