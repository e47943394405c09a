"""A number that is not known exactly: a value and the bounds it lies between."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import stdev


@dataclass(frozen=True)
class Bounds:
    """An estimate and its bounds; all three are equal where the number is known."""

    value: float
    low: float
    high: float

    @staticmethod
    def exact(value: float) -> "Bounds":
        return Bounds(value, value, value)

    def __add__(self, other: "Bounds") -> "Bounds":
        """Return the sum of two independent estimates: their errors add up in squares."""
        return total((self, other))

    def times(self, factor: float) -> "Bounds":
        return Bounds(self.value * factor, self.low * factor, self.high * factor)

    def plus(self, constant: float) -> "Bounds":
        return Bounds(self.value + constant, self.low + constant, self.high + constant)

    def widened(self, fraction: float) -> "Bounds":
        """Return the same value with bounds at least `fraction` of it away."""
        low, high = self.value * (1 - fraction), self.value * (1 + fraction)
        return Bounds(self.value, min(self.low, low), max(self.high, high))


ZERO = Bounds.exact(0)


def total(parts: Iterable[Bounds]) -> Bounds:
    """Return the sum of independent estimates: their errors add up in squares."""
    parts = list(parts)
    value = sum(part.value for part in parts)
    below = sqrt(sum((part.value - part.low) ** 2 for part in parts))
    above = sqrt(sum((part.high - part.value) ** 2 for part in parts))
    return Bounds(value, value - below, value + above)


def highest(parts: Iterable[Bounds]) -> Bounds:
    """Return the largest of several estimates, bound by bound."""
    parts = list(parts) or [ZERO]
    value = max(part.value for part in parts)
    return Bounds(value, max(part.low for part in parts), max(part.high for part in parts))


UNKNOWN_SPREAD = 0.25
"""Bounds of an extrapolation from one part, whose spread cannot be seen: a quarter."""


def extrapolate(values: Sequence[float], sizes: Sequence[float], whole: float) -> Bounds:
    """Return the sum over all parts of something, from the parts that were measured.

    The ratio estimator (Cochran, Sampling Techniques, 3rd edition, chapter 6): the measured sum, times the
    size of the whole over that of the measured parts. The bounds are two standard errors away, which
    shrink as the measured parts become the whole.

    Args:
        values: The value of each measured part.
        sizes: The size of each measured part, such as its rows.
        whole: The size of everything, the measured parts included.

    Examples:
        >>> extrapolate([10, 20], [1, 2], 30)
        Bounds(value=300.0, low=300.0, high=300.0)
    """
    measured = sum(sizes)
    if not measured:
        return ZERO
    ratio = sum(values) / measured
    value = ratio * whole
    left = max(0.0, 1 - measured / whole)
    if not left or not value:
        return Bounds.exact(value)
    if len(values) < 2:
        return Bounds.exact(value).widened(UNKNOWN_SPREAD * left)
    residuals = [v - ratio * size for v, size in zip(values, sizes, strict=True)]
    parts = whole * len(sizes) / measured
    error = 2 * parts * stdev(residuals) * sqrt(left / len(values))
    return Bounds(value, max(sum(values), value - error), value + error)


@dataclass(frozen=True)
class Line:
    """A cost by size: `fixed` for any part, and `slope` for each unit of its size. Neither is negative."""

    fixed: float
    slope: float

    @staticmethod
    def through(small: tuple[float, float], large: tuple[float, float]) -> "Line":
        """Return the line through two points (size, cost).

        Where it would fall, or both have one size, the cost of the larger one is taken as proportional.
        """
        (size, cost), (larger, more) = small, large
        if larger <= size:
            return Line(0.0, more / max(larger, 1.0))
        slope = min((more - cost) / (larger - size), more / larger)
        slope = max(0.0, slope)
        return Line(max(0.0, more - slope * larger), slope)

    def at(self, size: float, parts: float = 1) -> float:
        """Return the cost of `parts` parts, of `size` together."""
        return self.fixed * parts + self.slope * size
