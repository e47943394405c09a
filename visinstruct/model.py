"""A model that answers prompts about images: loading, answers, ranked candidates."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import Image as PillowImage

from datagen.media.media import UndecodableError
from datagen.stores.any_files import AnyFiles
from templates.evaluation import Decoding
from trainer.data.reading.images import Pixels, decode
from trainer.errors import DataError, EvaluationError

if TYPE_CHECKING:
    from trainer.evaluation.inference.adapter import ModelAdapter, ModelInput

ImageLike: TypeAlias = str | os.PathLike[str] | bytes | PillowImage.Image
"""A file's path or URL, a file's bytes, or a decoded image."""

_ONE_IMAGE = (str, os.PathLike, bytes, PillowImage.Image)

DType: TypeAlias = Literal["float32", "bfloat16"]
Attention: TypeAlias = Literal["eager", "sdpa", "flash_attention_2"]


class RankedCandidate(NamedTuple):
    """A candidate answer and its score.

    `log_likelihood` is the sum of the natural log-probabilities of the candidate's tokens, given
    image and prompt. It is not divided by the candidate's length.
    """

    text: str
    log_likelihood: float


class VisionLanguageModel:
    """InstructBLIP, InstructBLIP-Video or BLIP-2, ready to answer; made by `load_model`."""

    def __init__(self, adapter: "ModelAdapter") -> None:
        self.adapter = adapter
        """The model adapter that evaluations use; it takes many requests at once."""

    def answer(
        self,
        image: ImageLike | Sequence[ImageLike],
        prompt: str,
        *,
        beams: int = 1,
        max_new_tokens: int = 32,
        min_new_tokens: int = 1,
        length_penalty: float = 1.0,
        repetition_penalty: float = 1.0,
    ) -> str:
        """Generate the answer to a prompt about an image.

        Generation is deterministic: greedy with one beam, else beam search.

        Args:
            image: path, URL, bytes or Pillow image; a sequence of them is the frames of a video.
            prompt: the prompt as the model reads it. Models of this family are sensitive to it:
                `visinstruct.evaluation_prompt` gives those of the evaluation.
            beams: number of beams; the paper uses 5.
            max_new_tokens: upper limit of the answer's length, in tokens.
            min_new_tokens: lower limit, end token excluded.
            length_penalty: exponent of the length that a beam's log-probability is divided by.
            repetition_penalty: penalty of tokens that occurred before; 1 is none.

        Raises:
            DataError: an image cannot be read or decoded.
            EvaluationError: the prompt is too long for the model, or its output is not finite.
            ValueError: a number is outside its range.
        """
        decoding = Decoding(
            beams=beams,
            max_new_tokens=max_new_tokens,
            min_new_tokens=min_new_tokens,
            length_penalty=length_penalty,
            repetition_penalty=repetition_penalty,
        )
        (text,) = self.adapter.generate([self._request(image, prompt)], decoding)
        return text

    def rank(
        self,
        image: ImageLike | Sequence[ImageLike],
        prompt: str,
        candidates: Sequence[str],
        *,
        end_token: bool | None = None,
    ) -> list[RankedCandidate]:
        """Rank candidate answers to a prompt about an image, the likeliest first.

        Args:
            image: as in `answer`.
            prompt: as in `answer`.
            candidates: texts to rank, at least one. Equal scores keep this order.
            end_token: add the end token's log-probability; by default as LAVIS does, for T5 but
                not for Vicuna.

        Raises:
            DataError: an image cannot be read or decoded.
            EvaluationError: there is no candidate, one has no token, or a score is not finite.
        """
        if end_token is None:
            end_token = self.adapter.language_model == "t5"
        request = self._request(image, prompt)
        (scores,) = self.adapter.rank([request], [tuple(candidates)], end_token=end_token)
        found = map(RankedCandidate, candidates, scores)
        return sorted(found, key=lambda each: -each.log_likelihood)

    def _request(self, image: ImageLike | Sequence[ImageLike], prompt: str) -> "ModelInput":
        import torch

        from trainer.data.reading.resize import prepare
        from trainer.evaluation.inference.adapter import ModelInput

        frames = [image] if isinstance(image, _ONE_IMAGE) else list(image)
        if not frames:
            raise DataError("no image was given; pass one image, or the frames of a video")
        pixels = prepare([_decoded(frame) for frame in frames], self.adapter.image_side)
        return ModelInput("the prompt", prompt, torch.from_numpy(pixels))


def load_model(
    name: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    device: str | None = None,
    dtype: DType | None = None,
    attention: Attention = "sdpa",
) -> VisionLanguageModel:
    """Load a model that answers prompts about images.

    Args:
        name: `nano` (the miniature that comes with the package), a run's folder (its best
            checkpoint, else its newest), a checkpoint's folder, a run's YAML (the model that the run
            starts from), a Hugging Face folder such as `visinstruct export` writes, or a name on
            the Hub.
        overrides: `key=value` changes to a run's configuration.
        device: PyTorch's name of a device; by default the GPU if there is one.
        dtype: by default bfloat16 on a GPU, float32 on a CPU.
        attention: implementation of attention in transformers.

    Raises:
        EvaluationError: the model is of an unsupported kind, or PyTorch is not installed.
        TrainingError: files are missing or corrupt, or do not fit each other.

    Examples:
        >>> model = load_model("nano")  # doctest: +SKIP
        >>> model.answer("scene.png", "Question: what colour is the circle? Short answer:")  # doctest: +SKIP
        'red'
    """
    try:
        import torch
    except ImportError as error:
        raise EvaluationError(
            "a model needs PyTorch, which is not installed: pip install 'visinstruct[train]'"
        ) from error
    from trainer.evaluation.inference.loading import load_adapter

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    adapter = load_adapter(
        os.fspath(name),
        overrides,
        device=where,
        dtype=dtype or ("float32" if where.type == "cpu" else "bfloat16"),
        attention=attention,
    )
    return VisionLanguageModel(adapter)


def _decoded(image: ImageLike) -> Pixels:
    """Return an image as RGB [height, width, 3]."""
    if isinstance(image, PillowImage.Image):
        return np.asarray(image.convert("RGB"))
    name = "the image's bytes" if isinstance(image, bytes) else os.fspath(image)
    try:
        return decode(image if isinstance(image, bytes) else _read(os.fspath(image)))
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror or error}") from None
    except UndecodableError as error:
        raise DataError(f"cannot decode {name}: {error}") from None


def _read(path: str) -> bytes:
    with AnyFiles().open_binary(path) as file:
        return file.read()
