"""webdataset's `ShardWriter`: a tar member an image, one a caption."""

from pathlib import Path
from typing import Any

import webdataset

from benchmarks.embedding.inputs import SHARD_ROWS, captioned_images


def run(source: str, output: str) -> dict[str, Any]:
    images = captioned_images(source)
    write(f"{output}/%05d.tar", source)
    return {"rows": len(images)}


def write(pattern: str, source: str) -> None:
    """Write the images into tar files with names of this pattern."""
    with webdataset.ShardWriter(pattern, maxcount=SHARD_ROWS, verbose=0) as writer:
        for image in captioned_images(source):
            key = image.path.removesuffix(".jpg")
            data = Path(image.file).read_bytes()
            writer.write({"__key__": key, "jpg": data, "txt": image.caption})
