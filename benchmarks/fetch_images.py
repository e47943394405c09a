"""Downloading a list of images from a server with 20 ms of latency.

`python -m benchmarks.fetch_images [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.harness.generate import image
from benchmarks.harness.measure import Case, Cost, Measured, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu, wall
from benchmarks.harness.settings import settings

NAME = "fetch_images"
QUESTION = (
    "How many images a second does one processor download from servers that answer after 20 ms?"
)
PACKAGES = ("apache-beam", "urllib3", "requests", "pillow", "simplejpeg")
LATENCY_SECONDS = 0.02
NUM_HOSTS = 64
NUM_DISTINCT = 40
SIDE = "384"
OURS = Case("fetch-images", "fetching.ours", "checks each image, keeps its bytes.")
SHRUNK = Case("fetch-images, 384 px", "fetching.ours", "shrinks each image.", (SIDE,))
PLAIN = Case("urllib3 alone", "fetching.urllib3_threads", "bytes to files, unchecked.")
SCRIPT = Case(
    "requests and Pillow, 384 px", "fetching.requests_pillow", "the usual script.", (SIDE,)
)
CASES = (OURS, SHRUNK, PLAIN, SCRIPT)


def main() -> None:
    with settings(NAME, QUESTION, rows=2_000, repetitions=3) as chosen, serving(chosen.source):
        port = Path(chosen.source, "images.port").read_text()
        lines = (f"http://127.0.0.{n % NUM_HOSTS + 1}:{port}/{n}.jpg\n" for n in range(chosen.rows))
        Path(chosen.source, "list.txt").write_text("".join(lines))
        measured = measure(CASES, chosen.source, chosen.scratch, chosen.repetitions)
        results = Results(
            title="Downloading images",
            question=QUESTION,
            input=f"{chosen.rows:,} URLs on {NUM_HOSTS} hosts, which are addresses of one server on this machine; {NUM_DISTINCT} "
            "different JPEGs of 640 x 480 pixels, about 47 KB each. No limit on the rate of a host.",
            cases={case.name: case.what for case in CASES},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured),
            notes=[NOTE],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


NOTE = (
    "A contestant runs in one process on one processor, the server in another process on the other one; each contestant has 64 "
    "threads. Shares are of the contestant's wall time. Its own share below 1 means that it waited: for the server, or for "
    "other work of this machine on its processor. Goals compare the run of each case that took least."
)


@contextmanager
def serving(source: Path) -> Iterator[None]:
    """Run the server on the last processor, with images that are drawn to `source`."""
    folder = source / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(NUM_DISTINCT):
        (folder / f"{number:03d}.jpg").write_bytes(image(rng))
    arguments = ("-m", "benchmarks.fetching.server", str(folder), str(LATENCY_SECONDS))
    with subprocess.Popen([sys.executable, *arguments]) as server:
        try:
            os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})
            (source / "server.pid").write_text(str(server.pid))
            while not Path(f"{folder}.port").exists():
                if server.poll() is not None:
                    raise SystemExit("the server did not start")
                time.sleep(0.02)
            yield
        finally:
            server.terminate()


def images(measured: Measured) -> int:
    return int(measured.costs[0].reported["images"])


def server_share(cost: Cost) -> float:
    return float(cost.reported["server_cpu_seconds"]) / wall(cost)


COLUMNS: Sequence[Column] = (
    Column("images", images),
    Column("images/s", lambda m: images(m) / m.middle(wall)),
    Column("images/CPU-s", lambda m: images(m) / m.middle(cpu)),
    Column("CPU share", lambda m: m.middle(lambda cost: cpu(cost) / wall(cost))),
    Column("server's share", lambda m: m.middle(server_share)),
    *RESOURCES,
)


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    spent = {name: each.least(cpu) for name, each in measured.items()}
    rates = [
        goal
        for case in (OURS, SHRUNK)
        for count in [images(measured[case.name])]
        for goal in (
            Goal(f"{case.name}: images a CPU second", count / spent[case.name], 200),
            Goal(
                f"{case.name}: images a second of wall time on one processor",
                count / measured[case.name].least(wall),
            ),
        )
    ]
    return (
        *rates,
        Goal(f"{OURS.name} / {PLAIN.name}, CPU seconds", spent[OURS.name] / spent[PLAIN.name]),
        Goal(
            f"{SHRUNK.name} / {SCRIPT.name}, CPU seconds", spent[SHRUNK.name] / spent[SCRIPT.name]
        ),
    )


if __name__ == "__main__":
    main()
