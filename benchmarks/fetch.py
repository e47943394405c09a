"""Speed of `visinstruct fetch` beside curl, from a server of this machine.

`python -m benchmarks.fetch [--rows MEGABYTES] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.harness.measure import Case, Measured, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, wall
from benchmarks.harness.settings import settings

NAME = "fetch"
QUESTION = "How fast does `visinstruct fetch` download large files, beside curl?"
PACKAGES = ("urllib3",)
NUM_PARTS = 4
OURS, CURL, CURL_HASHED = "ours, hashed", "curl", "curl, then sha256sum"
OURS_PARTS, CURL_PARTS = "ours, four files at once", "curl --parallel, four files"


def cases(address: str) -> list[Case]:
    parts = [f"part{number}" for number in range(NUM_PARTS)]
    ours, curl = "downloading.ours", "downloading.curl"
    return [
        Case(OURS, ours, "`pipelines.fetch.fetch` of one file", (address, "whole")),
        Case(CURL, curl, "`curl -o FILE URL`", ("nothing", address, "whole")),
        Case(CURL_HASHED, curl, "the same, and `sha256sum FILE`", ("hash", address, "whole")),
        Case(OURS_PARTS, ours, "four files of a quarter, by four threads", (address, *parts)),
        Case(CURL_PARTS, curl, "the same four, `curl --parallel`", ("nothing", address, *parts)),
    ]


def main() -> None:
    with settings(NAME, QUESTION, rows=1_000, repetitions=5) as chosen:
        write_files(chosen.source, chosen.rows)
        with serving(chosen.source) as address:
            contestants = cases(address)
            measured = measure(contestants, chosen.source, chosen.scratch, chosen.repetitions)
        results = Results(
            title="Downloading",
            question=QUESTION,
            input=f"one file of {chosen.rows:,} MB of random bytes, and the same in {NUM_PARTS} files; the server is "
            "another process of this machine that uses sendfile, over 127.0.0.1.",
            cases={case.name: case.what for case in contestants},
            measured=measured,
            columns=[
                Column("MB/s", lambda m: chosen.rows / m.middle(wall)),
                Column("MB/s, best", lambda m: chosen.rows / m.least(wall)),
                *RESOURCES,
            ],
            goals=goals(measured),
            notes=["Ours hashes every byte (sha256) on its way; curl does not, unless it says so."],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


def write_files(folder: Path, num_megabytes: int) -> None:
    """Write the file, and its content again in parts."""
    generator = np.random.default_rng(0)
    with open(folder / "whole", "wb") as whole:
        for number in range(NUM_PARTS):
            with open(folder / f"part{number}", "wb") as part:
                for _ in range(num_megabytes // NUM_PARTS):
                    data = generator.bytes(1_000_000)
                    part.write(data)
                    whole.write(data)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run the server in a process of its own, and give its address."""
    command = [sys.executable, "-m", "benchmarks.downloading.server", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    def ratio(ours: str, theirs: str) -> float:
        return measured[theirs].middle(wall) / measured[ours].middle(wall)

    return (
        Goal("speed of ours by that of curl", ratio(OURS, CURL), 0.8),
        Goal("of ours by that of curl and sha256sum", ratio(OURS, CURL_HASHED)),
        Goal("of ours by that of curl, four files at once", ratio(OURS_PARTS, CURL_PARTS)),
    )


if __name__ == "__main__":
    main()
