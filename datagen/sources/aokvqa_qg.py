"""Question generation on A-OKVQA: given an image and an answer, ask the question.

InstructBLIP makes this set of A-OKVQA's questions (section 2.1 of the paper). Origin, licence,
files and counts are those of `aokvqa.py`; its test split, whose answers are hidden, is left out.
One record is one question; the answer that its instruction shows is chosen per draw, by the
annotators' frequency, from the direct answers. The choices are not read: nothing is chosen among
them here.
"""

from dataclasses import replace

from datagen.sources import aokvqa
from datagen.sources.shared.question_generation import question_generation

_OPEN = replace(aokvqa.SOURCE, splits=aokvqa.split_files(aokvqa.open_questions))

SOURCE = question_generation(_OPEN, "aokvqa_qg")
