"""Question generation on OK-VQA: given an image and an answer, ask the question.

InstructBLIP makes this set of OK-VQA's questions (section 2.1 of the paper). Origin, licence,
files and counts are those of `okvqa.py`. One record is one question; the answer that its
instruction shows is chosen per draw, by the annotators' frequency, from the raw answers where
there are any.
"""

from datagen.sources import okvqa
from datagen.sources.shared.question_generation import question_generation

SOURCE = question_generation(okvqa.SOURCE, "okvqa_qg")
