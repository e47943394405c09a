"""Which sample comes when: a pure function of seed, mixture and sample number.

Imports `trainer.config` and `datagen.mixture`; reads no shard and imports no torch.
"""
