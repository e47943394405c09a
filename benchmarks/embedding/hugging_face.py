"""Hugging Face `datasets`: images of paths embedded and written with `to_parquet`, shard by shard as `push_to_hub` does."""

from typing import Any

from datasets import Dataset, Image, disable_progress_bars
from datasets.table import embed_table_storage

from benchmarks.embedding.inputs import SHARD_ROWS, captioned_images


def run(source: str, output: str) -> dict[str, Any]:
    disable_progress_bars()
    images = captioned_images(source)
    columns = {
        "image": [image.file for image in images],
        "caption": [image.caption for image in images],
    }
    dataset = Dataset.from_dict(columns).cast_column("image", Image())
    num_shards = -(-len(images) // SHARD_ROWS)
    for number in range(num_shards):
        shard = dataset.shard(num_shards=num_shards, index=number, contiguous=True)
        embedded = shard.with_format("arrow").map(
            embed_table_storage, batched=True, batch_size=100, keep_in_memory=True
        )
        embedded.with_format(None).to_parquet(f"{output}/{number:05d}.parquet")
    return {"rows": len(images)}
