"""Training order: the source and row of sample k, a pure function of seed, mixture and k.

Imports `trainer.config` and `datagen.mixture`; reads no shard and imports no torch.
"""
