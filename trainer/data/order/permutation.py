"""Keyed orders: pseudo-random, equal on every machine, made without any state."""

import hashlib

import numpy as np
from numpy.typing import NDArray

_ODD, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORDS = 1 << 64


def keyed(*parts: int | str) -> int:
    """A 64-bit number that depends on all `parts`, and evenly so."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def mixed(numbers: NDArray[np.uint64], key: int) -> NDArray[np.uint64]:
    """A 64-bit number for each of `numbers`: the finaliser of SplitMix64 (Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        z = numbers * np.uint64(_ODD) + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
        return z ^ (z >> np.uint64(31))


def shuffled(size: int, key: int) -> NDArray[np.int64]:
    """The numbers below `size`, in the order of their hashes (and of themselves where those are equal)."""
    numbers = np.arange(size, dtype=np.uint64)
    low = np.uint64((1 << max(size - 1, 1).bit_length()) - 1)
    ordered = np.sort((mixed(numbers, key) & ~low) | numbers)  # far faster than to sort by a key
    return (ordered & low).astype(np.int64)


def fractions(key: int, count: int) -> list[float]:
    """`count` numbers in [0, 1), with 53 bits each."""
    bits = mixed(np.arange(count, dtype=np.uint64), key % _WORDS) >> np.uint64(11)
    return [float(each) for each in bits.astype(np.float64) / (1 << 53)]
