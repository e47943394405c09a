"""Random numbers as a function of where a run is, so that there is no generator's state to save."""

import hashlib

import torch


def seed_for(*names: object) -> int:
    """A 63-bit seed that belongs to these names: the same in every process and on every machine."""
    digest = hashlib.blake2b("/".join(map(str, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_step(seed: int, step: int, rank: int, micro: int) -> None:
    """Before each forward: dropout depends on nothing that came before it."""
    torch.manual_seed(seed_for("dropout", seed, step, rank, micro))
