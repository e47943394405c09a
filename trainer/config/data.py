"""The section `data` of a configuration: the training data and their reading."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from datagen.mixture import MixtureOptions


class DataOptions(BaseModel):
    """The `data` part of a run's configuration.

    `dataset` is a folder that `visinstruct build` wrote, or its URL (`s3://...`). `sources` are trained
    on; without it, those of the manifest's mixture: the held-in ones. Images kept by reference are
    found through `image_roots`, the folder or URL of each collection; `"*"` names a folder that has a
    subfolder for every other one.

    `workers` processes of each rank prepare samples, `prefetch` steps ahead each; the run ends if no
    step is ready for `timeout_minutes`, also without workers. Of the samples of a
    run, `max_replaced_fraction` may stand in for others whose images cannot be read. `bucketing`
    gives samples of like lengths to the same micro-step of a global batch.

    `render: fresh` renders a new draw of a record in every epoch over its source, `stored` repeats
    what the build stored. `template_dir` is another template set than the manifest's.

    `cache_dir` holds decoded row groups, at most `cache_bytes` of them, for all processes of a node;
    without it, a folder of the user's in the system's temporary one. `verify: full` compares the
    sha256 of each shard on its first use, `size` its size and footer. `reserve_rows` of a source that
    has no validation split, at most a tenth of it, are kept for validation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    sources: tuple[str, ...] | None = None
    image_roots: dict[str, str] = Field(default_factory=dict)
    render: Literal["fresh", "stored"] = "fresh"
    template_dir: str | None = None
    mixture: MixtureOptions | None = None
    image_side: int = Field(default=224, ge=8, le=4096)
    augmentation: Literal["none", "paper_guess"] = "none"
    workers: int = Field(default=4, ge=0)
    prefetch: int = Field(default=4, ge=1)
    timeout_minutes: float = Field(default=20.0, gt=0)
    cache_dir: Path | None = None
    cache_bytes: ByteSize = Field(default=ByteSize(20_000_000_000), gt=0)
    verify: Literal["size", "full"] = "size"
    max_replaced_fraction: float = Field(default=0.01, ge=0, le=1)
    bucketing: bool = False
    reserve_rows: int = Field(default=1_000, ge=0)
