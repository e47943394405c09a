"""Settings of every contestant: model, device, batches, and number of steps."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from transformers import InstructBlipConfig

from benchmarks.step.models import make_model, model_options, step_config
from benchmarks.step.samples import MadeUp
from benchmarks.step.tokens import Lengths, byte_tokenizers
from trainer.batches.collate import Collator
from trainer.batches.loader import StepData
from trainer.data.order.assign import BatchShape
from trainer.model.batch import Batch
from trainer.model.model import Model
from trainer.model.parts import vision_part

Item = TypeVar("Item")
COMPUTE = {"cpu": "fp32", "cuda": "bf16"}
NUM_BATCHES = 3
"""Different ones, in turn."""
WARM_UP = 2
"""Steps before the clock starts, of each shape; the first of all shows whether losses agree."""


@dataclass(frozen=True)
class Shape:
    """One micro-batch: samples and their lengths, such as `24x32+16`."""

    samples: int
    lengths: Lengths

    def __str__(self) -> str:
        return f"{self.samples}x{self.lengths}"

    @classmethod
    def parse(cls, text: str) -> "Shape":
        samples, _, lengths = text.partition("x")
        return cls(int(samples), Lengths.parse(lengths))


@dataclass(frozen=True)
class Setting:
    """`steps` are timed; `threads` are those of torch on a CPU; `attention` as in `ModelOptions`."""

    model: str
    device: str
    steps: int
    threads: int
    attention: str
    shapes: tuple[Shape, ...]

    @property
    def compute(self) -> str:
        return COMPUTE[self.device]

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.compute == "bf16" else torch.float32

    @property
    def frozen_dtype(self) -> str:
        return "bfloat16" if self.compute == "bf16" else "float32"

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cuda", 0) if self.device == "cuda" else torch.device("cpu")

    def arguments(self) -> tuple[str, ...]:
        """For the command line of a contestant's process; `parse` reads them."""
        shapes = " ".join(map(str, self.shapes))
        return (
            self.model,
            self.device,
            str(self.steps),
            str(self.threads),
            self.attention,
            shapes,
        )

    @classmethod
    def parse(
        cls, model: str, device: str, steps: str, threads: str, attention: str, shapes: str
    ) -> "Setting":
        parsed = tuple(map(Shape.parse, shapes.split()))
        return cls(model, device, int(steps), int(threads), attention, parsed)

    def prepare(self) -> tuple[InstructBlipConfig, Model]:
        """Return the model, the same in every process; sets the number of torch's threads."""
        torch.set_num_threads(self.threads)
        config = step_config(self.model)
        options = model_options(self.frozen_dtype, self.attention)
        return config, make_model(config, self.model, self.torch_device, options)


def step_data(config: InstructBlipConfig, shape: Shape) -> StepData:
    """Item b: the only micro-batch of step b."""
    collator = Collator(byte_tokenizers(config, shape.lengths))
    whole = BatchShape(world_size=1, micro_batch=shape.samples)
    stream = MadeUp(int(str(vision_part(config).image_size)))
    return StepData(stream, collator, whole, 0, bucketing=False)  # type: ignore[arg-type]


def make_batches(config: InstructBlipConfig, shape: Shape, device: str) -> list[Batch]:
    """Ready before the clock starts, in page-locked memory for a GPU."""
    data = step_data(config, shape)
    batches = []
    for number in range(NUM_BATCHES):
        made = data[number]
        assert isinstance(made, list), made
        batches += made
    return [batch.pin_memory() for batch in batches] if device == "cuda" else batches


def in_turn(items: Sequence[Item], count: int) -> Iterator[Item]:
    """`count` of them, from the beginning again when they end."""
    return itertools.islice(itertools.cycle(items), count)
