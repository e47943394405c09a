"""A training run: the sections of its configuration file.

Sections of the stream and the model are declared beside their code (`trainer.config.data`,
`trainer.config.model`); what is left is here. Unknown keys are refused everywhere.
"""

from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from trainer.config.data import DataOptions
from trainer.config.model import ModelOptions
from trainer.config.shipped import shipped_folder


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BatchOptions(_Section):
    """`global_size` samples make one optimizer step; each forward of a process sees `micro_size`.

    How often gradients are accumulated follows: global_size / (micro_size * processes).
    """

    global_size: PositiveInt
    micro_size: PositiveInt


class OptimizerOptions(_Section):
    """AdamW; linear warm-up from `start_learning_rate`, then a cosine per step to `end_learning_rate`.

    The paper (section 2.6): 60,000 steps, 1e-8 to 1e-5 in 1,000 steps, cosine to 0, betas .9 and .999,
    weight decay .05. LAVIS decays no 1-D parameter and does not clip gradients; nor do we by default.
    """

    steps: PositiveInt = 60_000
    learning_rate: PositiveFloat = 1e-5
    start_learning_rate: NonNegativeFloat = 1e-8
    end_learning_rate: NonNegativeFloat = 0.0
    warmup_steps: int = Field(1_000, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.05
    clip_gradient_norm: PositiveFloat | None = None


class PrecisionOptions(_Section):
    """`bf16`: weights and arithmetic in bfloat16, fp32 master weights in the optimizer. `fp32`: all fp32.

    `tf32` lets a GPU multiply fp32 matrices in TF32.
    """

    compute: Literal["bf16", "fp32"] = "bf16"
    tf32: bool = False


class ValidationOptions(_Section):
    """Every `every` steps: loss and exact match on a fixed subset of each held-in source.

    `criterion` names the number by which the best checkpoint is kept: `loss` (mean over sources of
    the loss per token), `exact` (mean over sources of exact match), or one of either for one source,
    such as `loss.vqav2`. The paper keeps one checkpoint per model but gives no formula: ours.

    `tasks` are held-in protocols, such as vqav2 or aokvqa.multiple_choice: of `rows` records of each
    validation split the run's model writes or ranks answers, which are scored as an evaluation scores
    them. They give `score` (mean over tasks) and `score.vqav2`, which the criterion may name.

    `controls` show what exact match is worth: the same with images of other samples, and the share of
    the commonest target, which a constant answer would get.
    """

    every: PositiveInt = 3_000
    rows: PositiveInt = 256
    controls: bool = False
    tasks: tuple[str, ...] = ()
    criterion: str = Field("loss", pattern=r"^((loss|exact)(\.[a-z0-9_]+)?|score(\.[a-z0-9_.]+)?)$")


class CheckpointOptions(_Section):
    """A checkpoint every `every` steps and at the end; the newest `keep` stay, and the best one."""

    every: PositiveInt = 1_000
    keep: PositiveInt = 3


class LoggingOptions(_Section):
    """JSON lines are always written. `tensorboard` and `wandb` need the extras of those names."""

    every: PositiveInt = 10
    tensorboard: bool = False
    wandb: str | None = None


class RunConfig(_Section):
    """One run. `output` is its folder; `deepspeed` a JSON file of DeepSpeed's own options.

    `seed` decides the order of the samples, augmentation, dropout and new weights. `device` is the
    GPUs if there are any. `silence_limit` is how long a process may show no sign of life, in seconds;
    `watchdog_port` the port of the first host through which they show it, 0 for any that is free.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    output: str
    seed: int = Field(0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    model: ModelOptions
    data: DataOptions
    batch: BatchOptions
    optimizer: OptimizerOptions = OptimizerOptions()
    precision: PrecisionOptions = PrecisionOptions()
    deepspeed: str = Field(default_factory=lambda: str(shipped_folder() / "deepspeed/zero2.json"))
    validation: ValidationOptions | None = ValidationOptions()
    checkpoint: CheckpointOptions = CheckpointOptions()
    logging: LoggingOptions = LoggingOptions()
    silence_limit: PositiveFloat = 50.0
    watchdog_port: int = Field(0, ge=0, le=65535)

    @model_validator(mode="after")
    def _fits_together(self) -> "RunConfig":
        if self.precision.compute == "fp32" and self.model.frozen_dtype != "float32":
            raise ValueError(
                f"precision.compute fp32 needs model.frozen_dtype float32, it is {self.model.frozen_dtype}"
            )
        if self.optimizer.warmup_steps >= self.optimizer.steps:
            raise ValueError(
                f"optimizer.warmup_steps {self.optimizer.warmup_steps} leaves nothing of optimizer.steps "
                f"{self.optimizer.steps}"
            )
        return self
