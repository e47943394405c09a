"""What a download script usually is: requests in threads, Pillow to shrink and save."""

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from benchmarks.fetching.contest import THREADS, contest, urls


def run(source: str, output: str, max_side: str) -> dict[str, Any]:
    local, side = threading.local(), int(max_side)

    def fetch(url: str) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        body = local.session.get(url, timeout=20).content
        name = hashlib.sha256(url.encode()).hexdigest()
        image = Image.open(io.BytesIO(body)).convert("RGB")
        image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=None)
        image.save(Path(output, f"{name}.jpg"), "JPEG", quality=92)

    with contest(source, output) as report, ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(fetch, urls(source)):
            pass
    return report
