"""Question generation on VQAv2: given an image and an answer, ask the question.

InstructBLIP makes this set of VQAv2's questions (section 2.1 of the paper). Origin, licence, files and
counts are those of `vqav2.py`; splits whose answers are hidden are left out. One record is one
question; the answer that its instruction shows is chosen per draw, by the annotators' frequency.
"""

from datagen.sources import vqav2
from datagen.sources.shared.question_generation import question_generation

SOURCE = question_generation(vqav2.SOURCE, "vqav2_qg")
