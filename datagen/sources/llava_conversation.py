"""LLaVA-Instruct conversations: several questions and answers about an image.

File, in `RAW/llava_instruct/`: `conversation_58k.json`, 58 thousand dialogs. Origin, licence, field map
and what is rejected stand in `datagen/sources/shared/llava_instruct.py`.
"""

from datagen.sources.shared.llava_instruct import llava_instruct

SOURCE = llava_instruct(
    "llava_conversation",
    "conversation_58k.json",
    note="counts turns; about 58,000 dialogs (the paper's 58K)",
)
