"""The reader of words: RapidOCR with ONNX Runtime, whose weights come with its package."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class OcrOptions:
    """How images are read.

    Args:
        min_side: Pixels to which the shorter side of a smaller image is enlarged before words are looked for.
        min_score: Lines of which the library is less sure, from 0 to 1, are left out.
    """

    min_side: int = 736
    min_score: float = 0.5


class Reader(Protocol):
    """Reads images; one of each process."""

    def read(self, pixels: Pixels) -> list[str]:
        """Return the words of an RGB image [height, width, 3], line by line from the top."""


class RapidReader:
    """PP-OCR's detector and recogniser on one thread: processes share the machine.

    Raises:
        ModuleNotFoundError: the extra `ocr` is not installed.
    """

    def __init__(self, options: OcrOptions) -> None:
        from rapidocr import RapidOCR

        threads = {
            f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")
        }
        self._engine: Any = RapidOCR(
            params={
                **threads,
                "Global.log_level": "critical",
                "Global.text_score": options.min_score,
                "Global.use_cls": False,  # text upside down, at a fifth of the time
                "Det.limit_side_len": options.min_side,
                "Det.limit_type": "min",
            }
        )

    def read(self, pixels: Pixels) -> list[str]:
        found = self._engine(np.ascontiguousarray(pixels[:, :, ::-1]))  # BGR, as OpenCV has it
        return words_of(found.txts or ())


def words_of(lines: Sequence[str]) -> list[str]:
    """Return the words of lines; blanks stand between them.

    Examples:
        >>> words_of(["THE  END", "of it"])
        ['THE', 'END', 'of', 'it']
    """
    return [word for line in lines for word in line.split()]
