"""The options of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from datagen.errors import nearest
from trainer.errors import EvaluationError
from trainer.evaluation.tasks.paper import BACKBONES


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """The options of `trainer.evaluate`.

    model              `nano`, a run's folder or YAML, a Hugging Face folder or its name on the Hub
    overrides          `key=value` of a run's configuration
    limit              so many records of each split, the first ones (rows are in a shuffled order)
    batch_size         records of a batch
    submission         evaluate splits with hidden answers too, and write the files that their servers take
    template_dir       where protocols are read, if not the shipped ones
    backbone           of the paper's numbers beside ours, if the model is none of the paper's sizes
    skip_unreadable    leave out records whose images cannot be read, counted, instead of stopping
    verify             `full` compares the sha256 of each shard with the manifest, `size` its size
    brief              print the table without its notes, which results and report have
    """

    model: str
    data: str
    tasks: tuple[str, ...]
    output: Path
    overrides: tuple[str, ...] = ()
    limit: int | None = None
    batch_size: int = 16
    resume: bool = False
    submission: bool = False
    report: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["eager", "sdpa", "flash_attention_2"] = "sdpa"
    template_dir: str | None = None
    image_roots: Mapping[str, str] = field(default_factory=dict)
    backbone: str | None = None
    captions: Literal["own", "pycocoevalcap"] | None = None
    skip_unreadable: bool = False
    verify: Literal["size", "full"] = "full"
    workers: int = 2
    brief: bool = False

    def __post_init__(self) -> None:
        for name in ("limit", "batch_size", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise EvaluationError(
                    f"--{name.replace('_', '-')} is {value}, it must be 1 or more"
                )
        if self.backbone is not None and self.backbone not in BACKBONES:
            raise EvaluationError(
                f"unknown --backbone {self.backbone!r}{nearest(self.backbone, BACKBONES)}; the paper has "
                f"{', '.join(BACKBONES)}"
            )
        if self.submission and self.limit is not None:
            raise EvaluationError("--submission needs every record of a split: leave --limit out")
        if not self.tasks:
            raise EvaluationError("--tasks names no task; heldout stands for the 13 held-out sets")
