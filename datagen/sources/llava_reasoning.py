"""LLaVA-Instruct complex reasoning: one question that takes thought, one reasoned answer.

File, in `RAW/llava_instruct/`: `complex_reasoning_77k.json`, 77 thousand dialogs of one turn. Origin,
licence, field map and what is rejected stand in `datagen/sources/shared/llava_instruct.py`.
"""

from datagen.sources.shared.llava_instruct import llava_instruct

SOURCE = llava_instruct(
    "llava_reasoning",
    "complex_reasoning_77k.json",
    note="counts turns, of which each dialog has one; about 77,000 dialogs (the paper's 77K)",
)
