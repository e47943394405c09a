"""The product on all splits of one source, text only, in one process."""

from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.harness.straight import facts
from datagen.build.options import make_options
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build


def run(source: str, output: str, source_id: str) -> dict[str, Any]:
    options = make_options(
        raw=source, out=f"{output}/dataset", sources=(source_id,), missing_images="keep"
    )
    manifest = build(options, beam_options([], []), Console(file=StringIO()))
    shards = [s for by in manifest.splits.values() for split in by.values() for s in split.shards]
    lost = [dict(split.rejected) for by in manifest.splits.values() for split in by.values()]
    assert not any(lost), lost
    return facts(manifest) | {"bytes": sum(shard.num_bytes for shard in shards)}
