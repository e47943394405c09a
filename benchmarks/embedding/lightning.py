"""litdata's `optimize` with one worker."""

from pathlib import Path
from typing import Any

from litdata import optimize

from benchmarks.embedding.inputs import SHARD_BYTES, CaptionedImage, captioned_images


def run(source: str, output: str) -> dict[str, Any]:
    images = captioned_images(source)
    optimize(
        fn=sample,
        inputs=images,
        output_dir=f"{output}/litdata",
        chunk_bytes=SHARD_BYTES,
        num_workers=1,
        verbose=False,
    )
    return {"rows": len(images)}


def sample(image: CaptionedImage) -> dict[str, Any]:
    return {
        "path": image.path,
        "image": Path(image.file).read_bytes(),
        "caption": image.caption,
    }
