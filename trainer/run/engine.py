"""DeepSpeed around the model. The only module that imports deepspeed.

What the rest of the trainer needs is five calls: `backward`, `step`, `read_state`, `write_state` and
`evaluate`. All of them are collective: every process makes the same calls in the same order.
"""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import deepspeed
import deepspeed.comm
import torch
import torch.distributed as dist
from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
    safe_set_local_fp32_param,
    safe_set_local_optimizer_state,
)
from pydantic import ValidationError
from torch import Tensor, nn
from torch.distributed import HashStore  # type: ignore[attr-defined]
from torch.nn.functional import pad

from trainer.config.run import RunConfig
from trainer.errors import CheckpointError, ConfigError
from trainer.launch.distributed import COLLECTIVE_TIMEOUT, World
from trainer.model.model import Output
from trainer.run.zero_options import ZERO, read_options

MOMENTS = ("exp_avg", "exp_avg_sq")

ZERO_KEYS = frozenset(
    name
    for key, field in DeepSpeedZeroConfig.model_fields.items()
    for name in (key, field.alias)
    if name
)
"""Keys of `zero_optimization`."""


def join(world: World) -> None:
    """Join the other processes: NCCL on GPUs, gloo on CPUs."""
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)  # DeepSpeed's calls
    if world.device.type == "cpu":
        # DeepSpeed compiles a shared-memory operator when it starts on a CPU, which needs a C++ compiler,
        # takes minutes, and waits for ever on the lock of a start that was killed. Gloo does without it.
        sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None  # type: ignore[attr-defined]
    backend = "gloo" if world.device.type == "cpu" else "nccl"
    if world.size == 1:  # needs no port, which another program might take first
        dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
    deepspeed.init_distributed(
        dist_backend=backend,
        auto_mpi_discovery=False,
        timeout=COLLECTIVE_TIMEOUT,
        verbose=False,
    )


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def connect(world: World) -> Callable[[], None]:
    """Join the other processes; returns `leave`."""
    join(world)
    return leave


def deepspeed_options(config: RunConfig, accumulation: int) -> dict[str, Any]:
    """The JSON file that the configuration names, with what this project decides filled in.

    Raises:
        ConfigError: the file is missing, or has keys or values that cannot be used.
    """
    options = read_options(config, ZERO_KEYS)
    options |= {
        "train_batch_size": config.batch.global_size,
        "train_micro_batch_size_per_gpu": config.batch.micro_size,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": config.optimizer.clip_gradient_norm or 0.0,
        "bf16": {"enabled": config.precision.compute == "bf16"},
        "steps_per_print": 1 << 60,
        "zero_allow_untested_optimizer": True,
    }
    return options


def zero_stage(config: RunConfig) -> int:
    stage: int = deepspeed_options(config, 1).get(ZERO, {}).get("stage", 0)
    return stage


class Engine:
    """The model, its optimizer and DeepSpeed's ZeRO, on this process.

    `trained` are the parameters of the optimizer by name, `groups` the same as torch's groups.
    """

    def __init__(
        self,
        model: nn.Module,
        trained: Mapping[str, nn.Parameter],
        groups: list[dict[str, object]],
        config: RunConfig,
        world: World,
    ) -> None:
        self.world = world
        self.accumulation = config.batch.global_size // (config.batch.micro_size * world.size)
        self._trained = dict(trained)
        # DeepSpeed makes its fp32 masters of weights that it has already rounded to bf16.
        exact = {name: parameter.detach().float().clone() for name, parameter in trained.items()}
        optimizer = torch.optim.AdamW(
            groups,
            lr=config.optimizer.learning_rate,
            betas=config.optimizer.betas,
            eps=config.optimizer.epsilon,
            weight_decay=config.optimizer.weight_decay,
            fused=True,
        )
        options = deepspeed_options(config, self.accumulation)
        try:
            self._engine, *_ = deepspeed.initialize(
                model=model, optimizer=optimizer, config=options, dist_init_required=False
            )
        except ValidationError as error:
            raise ConfigError(_refused(config.deepspeed, error)) from None
        self.stage: int = self._engine.zero_optimization_stage()
        if self.stage > 0:
            for name, parameter in self._trained.items():
                self._set_weight(parameter, exact[name].to(world.device))

    def backward(self, batch: Any, num_targets: float) -> Output:
        """Forward and backward of one micro-batch.

        `num_targets` are the supervised tokens of the whole global batch, over all processes: the
        gradient is that of their mean cross-entropy, whatever batches are divided into. DeepSpeed
        divides by the accumulation and averages over processes, so both are multiplied in here.
        """
        output: Output = self._engine(batch)
        scale = self.accumulation * self.world.size / num_targets
        self._engine.backward(output.loss_sum * scale)
        at_boundary = self._engine.is_gradient_accumulation_boundary()
        if not at_boundary:
            self._engine.step()  # counts micro-batches; the optimizer waits for the last one
        return output

    def step(self, learning_rate: float) -> float | None:
        """Update the weights after the last micro-batch.

        Returns the norm of the gradient before clipping; None where DeepSpeed does not compute it.
        """
        self._set_rate(learning_rate)
        norm = None
        if self.stage == 0:
            gradients = [p.grad for p in self._trained.values() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
        self._engine.step()
        if norm is None:
            norm = self._engine.get_global_grad_norm()
        return None if norm is None else float(norm)

    @contextmanager
    def evaluating(self) -> Iterator[nn.Module]:
        """The model in eval mode, without gradients."""
        self._engine.eval()
        try:
            with torch.no_grad():
                yield self._engine
        finally:
            self._engine.train()

    def read_state(self) -> dict[str, dict[str, Tensor]] | None:
        """fp32 weight and both Adam moments of every trained parameter, by name.

        Gathered one parameter at a time; on the first process as CPU tensors, None on the others.
        """
        state: dict[str, dict[str, Tensor]] = {}
        self._link_moments()
        for name, parameter in self._trained.items():
            tensors = self._read(parameter)
            if self.world.is_first:
                state[name] = {
                    key: tensor.detach().to("cpu", copy=True) for key, tensor in tensors.items()
                }
        return state if self.world.is_first else None

    def write_state(self, state: Mapping[str, Mapping[str, Tensor]], adam_steps: int) -> None:
        """Continue from a state that `read_state` gave, at any stage and number of processes.

        The optimizer's own state must exist: `backward` with a scale of 0 and `step` with a rate of
        0 come first (`trainer.run.setup.resume`). Three things are then set: weights and moments,
        Adam's counter of steps, and the module's own low-precision copy of the weights, which DeepSpeed
        would otherwise refresh only after the next step (measured; see docs/decisions.md).

        Raises:
            CheckpointError: the names or shapes are not those of the trained parameters.
        """
        check_names(state, {name: _shape(p) for name, p in self._trained.items()})
        self._link_moments()
        for name, parameter in self._trained.items():
            self._write(parameter, {k: t.to(self.world.device) for k, t in state[name].items()})
        for held in self._optimizer().state.values():
            if "step" in held:
                steps = held["step"]
                held["step"] = (
                    torch.full_like(steps, adam_steps) if isinstance(steps, Tensor) else adam_steps
                )

    def _link_moments(self) -> None:
        """Let parameters find their moments at stages 1 and 2.

        DeepSpeed links them after the first group's first step, when the second group has none yet, and
        never again (0.19.8).
        """
        if self.stage in (1, 2):
            self._engine.optimizer._hp_optimizer_states_linked = False
            self._engine.optimizer._lazy_init_hp_params_optimizer_state()

    def _read(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if self.stage == 0:
            held = self._optimizer().state[parameter]
            return {"weight": parameter.data, **{key: held[key] for key in MOMENTS}}
        return {
            "weight": safe_get_full_fp32_param(parameter),
            **{key: safe_get_full_optimizer_state(parameter, key) for key in MOMENTS},
        }

    def _write(self, parameter: nn.Parameter, tensors: Mapping[str, Tensor]) -> None:
        if self.stage == 0:
            parameter.data.copy_(tensors["weight"])
            for key in MOMENTS:
                self._optimizer().state[parameter][key].copy_(tensors[key])
            return
        self._set_weight(parameter, tensors["weight"])
        for key in MOMENTS:
            if self.stage == 3:
                safe_set_local_optimizer_state(parameter, self._own(parameter, tensors[key]), key)
            else:
                safe_set_full_optimizer_state(parameter, tensors[key], key)
        if self.stage == 3:
            with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
                if self.world.is_first:
                    parameter.data.copy_(tensors["weight"])
        else:
            parameter.data.copy_(tensors["weight"])

    def _set_weight(self, parameter: nn.Parameter, weight: Tensor) -> None:
        """Set the fp32 master weight."""
        if self.stage == 3:
            safe_set_local_fp32_param(parameter, self._own(parameter, weight))
        else:
            safe_set_full_fp32_param(parameter, weight)

    def _own(self, parameter: nn.Parameter, whole: Tensor) -> Tensor:
        """The part of a whole tensor that this process holds at stage 3, flat.

        Parts are of one length; the last ones are padded with zeros. DeepSpeed's setters of whole tensors
        fail where the number of processes does not divide a tensor (0.19.8).
        """
        length: int = parameter.ds_tensor.numel()  # type: ignore[attr-defined]
        padded = pad(whole.flatten(), (0, length * self.world.size - whole.numel()))
        return padded.narrow(0, length * self.world.rank, length)

    def _set_rate(self, learning_rate: float) -> None:
        for optimizer in (self._engine.optimizer, self._optimizer()):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate

    def _optimizer(self) -> torch.optim.Optimizer:
        """Torch's optimizer below DeepSpeed's."""
        outer = self._engine.optimizer
        inner: torch.optim.Optimizer = getattr(outer, "optimizer", outer)
        return inner


def _refused(path: str, error: ValidationError) -> str:
    """A sentence about the values that DeepSpeed's own checks refuse."""
    values = [
        f"{'.'.join(map(str, each['loc']))} is {each['input']!r}: {each['msg']}"
        for each in error.errors()
    ]
    return f"deepspeed: {path}: DeepSpeed refuses {error.title}: {'; '.join(values)}"


def _shape(parameter: nn.Parameter) -> tuple[int, ...]:
    """The whole parameter's shape: at stage 3 a process holds only a part of it."""
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def check_names(
    state: Mapping[str, Mapping[str, Tensor]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Check that a saved state is one of exactly these parameters.

    Raises:
        CheckpointError: names every parameter that is missing, unknown or of another shape.
    """
    errors = [f"{name} is missing" for name in sorted(shapes.keys() - state.keys())]
    errors += [f"{name} is not trained here" for name in sorted(state.keys() - shapes.keys())]
    for name in sorted(shapes.keys() & state.keys()):
        saved = tuple(state[name]["weight"].shape)
        if saved != shapes[name]:
            errors.append(f"{name} is {list(saved)}, here {list(shapes[name])}")
    if errors:
        shown = "; ".join(errors[:8]) + (f"; and {len(errors) - 8} more" if len(errors) > 8 else "")
        raise CheckpointError(f"the checkpoint's parameters are not this model's: {shown}")
