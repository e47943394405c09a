"""Tuning and evaluation: sample order, batches, model, training run, zero-shot evaluation.

Consumes finished records: imports the schema, reader, rendering and mixture of `datagen`, and no source and no build.
"""
