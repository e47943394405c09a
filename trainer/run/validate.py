"""Validation on held-in data: loss and exact match of a fixed subset of every source.

Samples of the validation splits where a source has one, else rows that the stream keeps back from
training. Held-out sources are never used: their scores are the experiment's result.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

import msgspec
from torch import nn

from trainer.batches.collate import Collator
from trainer.config.run import ValidationOptions
from trainer.data.order.sample import Sample
from trainer.data.stream import Stream
from trainer.errors import ConfigError
from trainer.launch.distributed import World
from trainer.model.batch import Batch
from trainer.model.model import Model
from trainer.model.tokens import Tokenizers
from trainer.run.engine import Engine


class TaskScores(Protocol):
    """Tasks that are scored as an evaluation scores them; `trainer.evaluation.validation` has them."""

    def run(self, engine: Engine) -> dict[str, float]:
        """Return `score`, the mean over tasks, and `score.<task>`. Collective."""
        ...


class ScoreTasks(Protocol):
    """Opens the tasks of `options.tasks`; who starts a run passes it in."""

    def __call__(
        self,
        stream: Stream,
        model: Model,
        tokenizers: Tokenizers,
        options: ValidationOptions,
        batch_size: int,
        world: World,
        stage: int,
    ) -> TaskScores: ...


@dataclass(frozen=True)
class Scores:
    """Of one source: mean cross-entropy of a token, share of samples answered exactly, samples.

    `shuffled` is the exact match with other samples' images, `majority` the share of the commonest
    target; None where `validation.controls` is off.
    """

    loss: float
    exact: float
    samples: int
    shuffled: float | None = None
    majority: float | None = None


def summary(scores: Mapping[str, Scores]) -> dict[str, float]:
    """`loss`, `exact` and controls, each the mean over sources, and by source: `loss.vqav2`."""
    numbers: dict[str, float] = {}
    for name in ("loss", "exact", "shuffled", "majority"):
        values = {source: getattr(score, name) for source, score in scores.items()}
        if values and None not in values.values():
            numbers[name] = fmean(values.values())
            numbers |= {f"{name}.{source}": value for source, value in values.items()}
    return numbers


def controls_table(numbers: Mapping[str, float]) -> str:
    """Exact match by source beside what it would be without the image."""
    names = ("exact", "shuffled", "majority")
    sources = [name.partition(".")[2] for name in numbers if name.startswith("majority.")]
    head = f"{'exact match':<20} {'':>6} {'other images':>15} {'commonest target':>17}"
    rows = [
        f"{source:<20} {values[0]:>6.1%} {values[1]:>15.1%} {values[2]:>17.1%}"
        for source in sources
        for values in [[numbers[f"{name}.{source}"] for name in names]]
    ]
    return "\n".join([head, *rows])


def is_better(
    numbers: Mapping[str, float], than: Mapping[str, float] | None, criterion: str
) -> bool:
    """Return whether the criterion is better: losses fall, exact match rises. A tie keeps the older one."""
    if than is None:
        return True
    if criterion.startswith("loss"):
        return numbers[criterion] < than[criterion]
    return numbers[criterion] > than[criterion]


def check_criterion(options: ValidationOptions, sources: Sequence[str]) -> None:
    """Check that the criterion names something that is measured.

    Raises:
        ConfigError: it names a source that is not validated on.
    """
    number, _, source = options.criterion.partition(".")
    if number == "score":
        if not options.tasks or (source and source not in options.tasks):
            raise ConfigError(
                f"validation.criterion {options.criterion} needs "
                f"{source or 'a held-in task'} among validation.tasks"
            )
        return
    if source and source not in sources:
        raise ConfigError(
            f"validation.criterion {options.criterion}: {source} is not validated on; "
            f"{', '.join(sources)} are"
        )


class Validation:
    """The fixed subset, divided over the processes."""

    def __init__(
        self,
        stream: Stream,
        collator: Collator,
        options: ValidationOptions,
        micro: int,
        world: World,
    ) -> None:
        self._stream, self._collator, self._world = stream, collator, world
        self.options, self._micro = options, micro
        self.sources = tuple(stream.mixture)

    def run(self, engine: Engine) -> dict[str, Scores]:
        """Measure every source; collective.

        All processes make the same number of forwards, which ZeRO-3 needs: one that has run out of
        samples repeats its first batch and does not count it.
        """
        scores = {}
        with engine.evaluating() as module:
            for source in self.sources:
                samples = self._stream.validation_samples(source, self.options.rows)
                if not samples:
                    continue
                loss, tokens, exact = self._measure(module, samples)
                score = Scores(loss / tokens, exact / len(samples), len(samples))
                if self.options.controls:
                    _, _, right = self._measure(module, with_other_images(samples))
                    score = replace(
                        score, shuffled=right / len(samples), majority=commonest(samples)
                    )
                scores[source] = score
        return scores

    def _measure(self, module: nn.Module, samples: Sequence[Sample]) -> list[float]:
        """Summed loss, supervised tokens, and samples answered exactly, over all processes."""
        total = [0.0, 0.0, 0.0]
        for batch, counts in self._batches(samples):
            output = module(batch.to(self._world.device))
            if counts:
                found = (output.loss_sum, output.token_count, output.sample_correct.sum())
                total = [
                    before + float(number) for before, number in zip(total, found, strict=True)
                ]
        return self._world.sum(total)

    def _batches(self, samples: Sequence[Sample]) -> Iterator[tuple[Batch, bool]]:
        """This process's batches, and whether each counts."""
        chunks = [samples[i : i + self._micro] for i in range(0, len(samples), self._micro)]
        for first in range(0, len(chunks), self._world.size):
            mine = first + self._world.rank
            counts = mine < len(chunks)
            yield self._collator(chunks[mine if counts else 0]), counts


def with_other_images(samples: Sequence[Sample]) -> list[Sample]:
    """Each sample with the image of the next one that shows something else."""
    shuffled = []
    for number, sample in enumerate(samples):
        others = (samples[(number + step) % len(samples)] for step in range(1, len(samples)))
        other = next((o for o in others if o.group_id != sample.group_id), sample)
        shuffled.append(msgspec.structs.replace(sample, images=other.images))
    return shuffled


def commonest(samples: Sequence[Sample]) -> float:
    """The share of the target that occurs most often."""
    [(_, count)] = Counter(sample.target for sample in samples).most_common(1)
    return count / len(samples)
