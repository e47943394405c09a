"""Validation on held-in data: loss and exact match of a fixed subset of every source.

Samples of the validation splits where a source has one, else rows that the stream keeps back from
training. Held-out sources are never looked at: their scores are the experiment's result.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from trainer.config.run import ValidationOptions
from trainer.data.batch import Batch
from trainer.data.collate import Collator
from trainer.data.stream import Stream
from trainer.distributed import World
from trainer.engine import Engine
from trainer.errors import ConfigError


@dataclass(frozen=True)
class Scores:
    """Of one source: mean cross-entropy of a token, share of samples answered exactly, samples."""

    loss: float
    exact: float
    samples: int


def summary(scores: Mapping[str, Scores]) -> dict[str, float]:
    """`loss` and `exact`, each the mean over sources, and both by source: `loss.vqav2`."""
    if not scores:
        return {}
    numbers = {
        "loss": sum(score.loss for score in scores.values()) / len(scores),
        "exact": sum(score.exact for score in scores.values()) / len(scores),
    }
    for source, score in scores.items():
        numbers[f"loss.{source}"] = score.loss
        numbers[f"exact.{source}"] = score.exact
    return numbers


def is_better(
    numbers: Mapping[str, float], than: Mapping[str, float] | None, criterion: str
) -> bool:
    """Whether the criterion is better: losses fall, exact match rises. A tie keeps the older one."""
    if than is None:
        return True
    if criterion.startswith("loss"):
        return numbers[criterion] < than[criterion]
    return numbers[criterion] > than[criterion]


def check_criterion(options: ValidationOptions, sources: Sequence[str]) -> None:
    """Whether the criterion names something that is measured.

    Raises:
        ConfigError: it names a source that is not validated on.
    """
    source = options.criterion.partition(".")[2]
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
                total = torch.zeros(4, dtype=torch.float64)
                for batch, counts in self._batches(source):
                    output = module(batch.to(self._world.device))
                    if counts:
                        total += torch.tensor(
                            [
                                float(output.loss_sum),
                                int(output.token_count),
                                int(output.sample_correct.sum()),
                                len(batch),
                            ],
                            dtype=torch.float64,
                        )
                loss, tokens, exact, samples = self._world.sum(total.tolist())
                if samples:
                    scores[source] = Scores(loss / tokens, exact / samples, int(samples))
        return scores

    def _batches(self, source: str) -> Iterator[tuple[Batch, bool]]:
        """This process's batches of a source, and whether each counts."""
        samples = self._stream.validation_samples(source, self.options.rows)
        if not samples:
            return
        chunks = [samples[i : i + self._micro] for i in range(0, len(samples), self._micro)]
        for first in range(0, len(chunks), self._world.size):
            mine = first + self._world.rank
            counts = mine < len(chunks)
            yield self._collator(chunks[mine if counts else 0]), counts
