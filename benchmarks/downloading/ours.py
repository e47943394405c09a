"""The product: `pipelines.fetch`, which hashes what it downloads, and resumes, waits and checks if it has to."""

from pathlib import Path
from typing import Any

from datagen.schema.download import Download
from pipelines.console import messages
from pipelines.fetch.bars import Bars
from pipelines.fetch.fetch import fetch
from pipelines.fetch.http import Client, Rules


def run(source: str, output: str, address: str, *names: str) -> dict[str, Any]:
    wanted = [
        Download(folder="files", name=name, url=f"{address}/{name}", brings=(name,), read_in=("",))
        for name in names
    ]
    with Client(Rules(allow_private=True)) as client, Bars(messages()) as bars:
        outcomes = fetch(client, Path(output), wanted, bars)
    sizes = [Path(output, "files", name).stat().st_size for name in names]
    return {"states": [each.state.value for each in outcomes], "bytes": sum(sizes)}
