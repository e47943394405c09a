"""LLaVA-Instruct detailed descriptions: one request to describe an image, one long answer.

File, in `RAW/llava_instruct/`: `detail_23k.json`, 23 thousand dialogs of one turn. Origin, licence,
field map and what is rejected stand in `datagen/sources/shared/llava_instruct.py`.
"""

from datagen.schema.card import unverified
from datagen.sources.shared.llava_instruct import llava_instruct

SOURCE = llava_instruct(
    "llava_detail",
    "detail_23k.json",
    num_turns=unverified(23_240, "a public note whose author counted the file's rows"),
    note="counts turns, of which each dialog has one (the paper's 23K dialogs)",
)
