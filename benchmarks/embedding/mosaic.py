"""MosaicML's `MDSWriter`, without compression and hashes, as by default."""

from pathlib import Path
from typing import Any

from streaming import MDSWriter

from benchmarks.embedding.inputs import SHARD_BYTES, captioned_images


def run(source: str, output: str) -> dict[str, Any]:
    images = captioned_images(source)
    columns = {"path": "str", "image": "bytes", "caption": "str"}
    with MDSWriter(out=f"{output}/mds", columns=columns, size_limit=SHARD_BYTES) as writer:
        for image in images:
            data = Path(image.file).read_bytes()
            writer.write({"path": image.path, "image": data, "caption": image.caption})
    return {"rows": len(images)}
