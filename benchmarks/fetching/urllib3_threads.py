"""Threads and a pool of urllib3: each body goes to a file as it is, unchecked. No download of this kind can cost less."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3

from benchmarks.fetching.contest import THREADS, contest, urls


def run(source: str, output: str) -> dict[str, Any]:
    pools = urllib3.PoolManager(num_pools=4 * THREADS, maxsize=THREADS)

    def fetch(url: str) -> None:
        body = pools.request("GET", url, timeout=20, retries=False).data
        name = hashlib.sha256(url.encode()).hexdigest()
        Path(output, f"{name}.jpg").write_bytes(body)

    with contest(source, output) as report, ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(fetch, urls(source)):
            pass
    return report
