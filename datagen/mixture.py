"""The mixture: how often each held-in training set is drawn from.

InstructBLIP draws from set d with probability sqrt(S_d) / sum of all sqrt(S) (section 2.4 of the
paper), S_d being its number of records, and then lowers A-OKVQA and raises OKVQA by factors that it does not
publish: those in `FACTORS` are ours.
"""

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from datagen.errors import OptionError, nearest

FACTORS: Mapping[str, float] = {"aokvqa": 0.5, "okvqa": 2.0}
"""Our values: the paper gives the direction of these two changes, but not their size."""


class MixtureOptions(BaseModel):
    """Rule that turns the sizes of sets into probabilities.

    `rule` gives a set of S records the weight sqrt(S), S, 1, or S ** (1 / temperature); `cap` counts
    a larger set as `cap` records; `factors` multiply weights. `splits` names the splits of a source
    to train on, by default `train`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["sqrt", "proportional", "uniform", "temperature"] = "sqrt"
    temperature: PositiveFloat = 2.0
    cap: PositiveInt | None = None
    factors: dict[str, float] = Field(default_factory=lambda: dict(FACTORS))
    splits: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def trained_splits(self, source: str) -> tuple[str, ...]:
        return self.splits.get(source, ("train",))


class MixturePart(BaseModel):
    """One set in a mixture: `weight` before the factor, `probability` after normalising."""

    model_config = ConfigDict(frozen=True)

    size: int
    weight: float
    factor: float
    probability: float

    @property
    def record_weight(self) -> float:
        """Return the relative sampling weight of each record: `factor * weight / size`.

        It depends on no other set, and is proportional to `probability / size` over all sets.
        """
        return self.factor * self.weight / self.size

    def epochs(self, samples: int) -> float:
        """Return the epochs over the set in a run of `samples` draws, on average."""
        return samples * self.probability / self.size


def mix(sizes: Mapping[str, int], options: MixtureOptions | None = None) -> dict[str, MixturePart]:
    """Return the mixture of sets of the given sizes (in records), in the order given, without empty sets.

    Raises:
        OptionError: a factor is negative, not finite or too large, the temperature is too low, or no
            set is left to draw from.

    Examples:
        >>> parts = mix({"vqav2": 400, "coco_caption": 100})
        >>> [round(part.probability, 3) for part in parts.values()]
        [0.667, 0.333]
    """
    options = options or MixtureOptions()
    for source, factor in options.factors.items():
        if not math.isfinite(factor) or factor < 0:
            raise OptionError(f"mixture factor {factor} of {source!r} is not 0 or more")
    weights = {source: _weight(size, options) for source, size in sizes.items() if size > 0}
    factors = {source: options.factors.get(source, 1.0) for source in weights}
    total = math.fsum(weights[source] * factors[source] for source in weights)
    if not math.isfinite(total):
        raise OptionError(f"the factors are too large: {dict(options.factors)}")
    if weights and total <= 0:
        raise OptionError(f"the factors leave nothing to draw from: {dict(options.factors)}")
    return {
        source: MixturePart(
            size=sizes[source],
            weight=weight,
            factor=factors[source],
            probability=weight * factors[source] / total,
        )
        for source, weight in weights.items()
    }


def _weight(size: int, options: MixtureOptions) -> float:
    size = size if options.cap is None else min(size, options.cap)
    match options.rule:
        case "sqrt":
            return math.sqrt(size)
        case "proportional":
            return float(size)
        case "uniform":
            return 1.0
        case "temperature":
            try:
                return math.exp(math.log(size) / options.temperature)
            except OverflowError:
                raise OptionError(
                    f"mixture temperature {options.temperature} is too low for {size} records"
                ) from None


def check_sources(options: MixtureOptions, known: Mapping[str, object]) -> None:
    """Refuse names of sources that do not exist.

    Raises:
        OptionError: with the nearest name.
    """
    for source in (*options.factors, *options.splits):
        if source not in known:
            raise OptionError(f"mixture names unknown source {source!r}{nearest(source, known)}")
