"""Everything that a run, a dry run and a replay work with, made from a configuration."""

from dataclasses import dataclass
from pathlib import Path

from trainer.batches.collate import Collator
from trainer.batches.loader import StepData
from trainer.config.run import RunConfig
from trainer.data.stream import Stream
from trainer.errors import ConfigError, TrainingError
from trainer.launch.distributed import World
from trainer.model.features import FeatureCache, open_feature_cache
from trainer.model.model import Model
from trainer.model.starts.build import build_model, check_attention
from trainer.model.starts.tokenizers import load_run_tokenizers
from trainer.model.trained import parameter_groups, trained_parameters
from trainer.run import checkpoint
from trainer.run.checkpoint import RunState
from trainer.run.engine import Engine, zero_stage
from trainer.run.fingerprint import run_fingerprint
from trainer.run.schedule import batch_shape
from trainer.run.skipped import count

PREPROCESSING = "uint8 RGB, torch antialiased bicubic to a square, CLIP mean and deviation"


@dataclass(frozen=True)
class Setup:
    """The parts of a run. `collator` always makes pixels; that of `data` uses the feature cache."""

    model: Model
    engine: Engine
    stream: Stream
    collator: Collator
    data: StepData
    cache: FeatureCache | None
    fingerprint: dict[str, object]


def prepare(config: RunConfig, world: World) -> Setup:
    """Load the model, open the dataset, start the engine. Collective.

    Raises:
        TrainingError: an error of configuration, data or model; the message has the remedy.
    """
    shape = batch_shape(config.batch, world.size)
    check_attention(config.model)
    model = build_model(config.model, config.seed)
    check_side(config, model)
    cache = _feature_cache(config, model)
    stream = Stream.open(config.data, config.seed, hash_images=cache is not None)
    tokenizers = load_run_tokenizers(config.model)
    reads = config.model.qformer_instruction
    collator = Collator(tokenizers, instruction_in_qformer=reads)
    cached = Collator(tokenizers, instruction_in_qformer=reads, feature_cache=cache)
    now = run_fingerprint(config, stream, model, tokenizers)
    check_agreed(now, world)
    groups = parameter_groups(model, config.optimizer.weight_decay)
    return Setup(
        model=model,
        engine=Engine(model, trained_parameters(model), groups, config, world),
        stream=stream,
        collator=collator,
        data=StepData(stream, cached, shape, world.rank, bucketing=config.data.bucketing),
        cache=cache,
        fingerprint=now,
    )


def resume(setup: Setup, path: Path, world: World) -> tuple[RunState, str | None]:
    """Set the engine to a checkpoint. Collective.

    The optimizer's state has to exist before it can be set: one step with a rate of 0 comes first,
    on the first global batch; then everything that it could have changed is overwritten. Adam counts the steps that
    were trained, without skipped ones. Returns the checkpoint's state, and a sentence to log about a change.

    Raises:
        CheckpointError: it is damaged, or of another run.
    """
    saved = checkpoint.read_run_state(path)
    changed = checkpoint.check_same(saved.fingerprint, setup.fingerprint, path)
    state = checkpoint.read_tensors(path)
    warm_up(setup, world)
    setup.engine.write_state(state, saved.step - count(saved.skipped, saved.step))
    return saved, changed


def warm_up(setup: Setup, world: World) -> None:
    """One step that changes no weight."""
    batches = setup.data[0]
    if isinstance(batches, TrainingError):
        raise batches
    for batch in batches:
        setup.engine.backward(batch.to(world.device), float("inf"))
    setup.engine.step(0.0)


def _feature_cache(config: RunConfig, model: Model) -> FeatureCache | None:
    if config.model.feature_cache is None:
        return None
    if zero_stage(config) == 3:
        raise ConfigError(
            "model.feature_cache does not go with ZeRO stage 3, which would have to gather the encoder on "
            "all processes whenever one of them misses an image; take stage 1 or 2"
        )
    return open_feature_cache(
        config.model.feature_cache,
        model,
        f"{PREPROCESSING}, {config.data.image_side}",
        config.data.augmentation != "none",
    )


def check_side(config: RunConfig, model: Model) -> None:
    if config.data.image_side != model.image_side:
        raise ConfigError(
            f"data.image_side is {config.data.image_side}, the model sees images of {model.image_side} "
            f"x {model.image_side}: set data.image_side={model.image_side}"
        )


def check_agreed(now: dict[str, object], world: World) -> None:
    """Check that all processes are about to train the same: one may see other files. Collective.

    Raises:
        ConfigError: names what differs between the first process and another.
    """
    for rank, other in enumerate(world.gather(now)):
        if differing := [key for key in now if other[key] != now[key]]:
            raise ConfigError(
                f"processes 0 and {rank} would train differently, they differ in {', '.join(differing)}: "
                "are dataset, templates and model the same files on all hosts?"
            )
