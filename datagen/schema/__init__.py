"""Types at the borders: example, record, card, manifest, rejection, and what a source declares.

Imports `datagen.text`, `datagen.files`, `datagen.errors` and `templates`; no other folder of `datagen`.
"""
