"""Sources that users declare in a YAML file: the language, the readers of their files, and the way to examples.

A definition is read here and compiled to the same `Source` that the 26 adapters declare; the build need
not know which is which. May import `schema`, `raw`, `media`, `files`, `text` and `errors` of `datagen`.
"""
