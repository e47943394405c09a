"""Training of the miniature model's frozen parts: tokenizer, vision encoder, language model, captioning stage.

Imports `trainer` and `datagen.sample`; no Beam.
"""
