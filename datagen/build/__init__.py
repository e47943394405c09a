"""The steps of a build: plan, stage, write, finish, each a pure function over ranges of rows.

Imports everything below it in `datagen`; no Beam, which `pipelines.build` brings.
"""
