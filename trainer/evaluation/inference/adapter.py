"""The model adapter: generates text about images, or ranks candidate texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch

from templates.evaluation import Decoding, LanguageModel
from trainer.evaluation.inference.generation import generate
from trainer.evaluation.inference.prompts import ModelInput, Tokenized, check_room, read, tokenize
from trainer.evaluation.inference.ranking import rank, tokenize_candidates
from trainer.model.model import Model
from trainer.model.tokens import Tokenizers

__all__ = ["ModelAdapter", "ModelInput"]

T = TypeVar("T")


class ModelAdapter:
    """Runs a model on batches of requests; each request gets the response that it would get alone.

    The model is taken over: moved to `device`, cast to `compute_dtype`, set to evaluation. `facts` say
    what it is, for the results. `num_cut_prompts` counts the prompts so far that the Q-Former
    truncated.
    """

    def __init__(
        self,
        model: Model,
        tokenizers: Tokenizers,
        device: torch.device,
        compute_dtype: torch.dtype,
        *,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model.to(device=device, dtype=compute_dtype).eval()
        self.tokenizers = tokenizers
        self.facts: dict[str, Any] = dict(facts or {})
        self.num_cut_prompts = 0

    @property
    def language_model(self) -> LanguageModel:
        return "t5" if self.model.is_encoder_decoder else "llama"

    @property
    def image_side(self) -> int:
        return self.model.image_side

    def generate(self, batch: Sequence[ModelInput], decoding: Decoding) -> list[str]:
        """Generate one text per request, without special tokens and surrounding white space.

        Raises:
            EvaluationError: names a record whose prompt is too long, or for which the model fails.
        """

        def answer(places: Sequence[int]) -> list[str]:
            some = [batch[place] for place in places]
            tokenized = self._tokenized(some)
            check_room(some, tokenized, self.model, [decoding.max_new_tokens] * len(some))
            prefix = read(some, tokenized, self.model, self.tokenizers)
            return generate(self.model, self.tokenizers, prefix, decoding)

        return _by_frames(batch, answer)

    def rank(
        self, batch: Sequence[ModelInput], candidates: Sequence[Sequence[str]], *, end_token: bool
    ) -> list[list[float]]:
        """Return the log-likelihoods of each request's candidates: natural logarithms, summed over tokens.

        Sums are not divided by lengths. With `end_token` that of the end token is among them.

        Raises:
            EvaluationError: names a record with a candidate that cannot be scored, and the candidate.
        """
        if len(batch) != len(candidates):
            raise ValueError(f"{len(batch)} requests, but {len(candidates)} lists of candidates")
        rows = tokenize_candidates(batch, candidates, self.tokenizers, end_token=end_token)

        def answer(places: Sequence[int]) -> list[list[float]]:
            some = [batch[place] for place in places]
            tokenized = self._tokenized(some)
            longest = [max(map(len, rows[place])) for place in places]
            check_room(some, tokenized, self.model, longest)
            prefix = read(some, tokenized, self.model, self.tokenizers)
            texts = [candidates[place] for place in places]
            return rank(self.model, self.tokenizers, prefix, texts, [rows[p] for p in places])

        return _by_frames(batch, answer)

    def check(
        self,
        batch: Sequence[ModelInput],
        candidates: Sequence[Sequence[str]] | None,
        *,
        end_token: bool,
        most_new: int,
    ) -> int:
        """Check that `most_new` tokens fit behind each prompt, or that every candidate has tokens and fits.

        Only the number of frames of each request matters. Returns the number of prompts that the
        Q-Former truncates.

        Raises:
            EvaluationError: names the first record that does not fit.
        """
        reads = self.model.qformer_instruction
        prompts = [each.prompt for each in batch]
        tokenized = tokenize(prompts, self.tokenizers, for_qformer=reads)
        new = [most_new] * len(batch)
        if candidates is not None:
            rows = tokenize_candidates(batch, candidates, self.tokenizers, end_token=end_token)
            new = [max(map(len, each)) for each in rows]
        check_room(batch, tokenized, self.model, new)
        return tokenized.num_cut

    def _tokenized(self, batch: Sequence[ModelInput]) -> Tokenized:
        reads = self.model.qformer_instruction
        prompts = [each.prompt for each in batch]
        tokenized = tokenize(prompts, self.tokenizers, for_qformer=reads)
        self.num_cut_prompts += tokenized.num_cut
        return tokenized


def _by_frames(batch: Sequence[ModelInput], answer: Callable[[Sequence[int]], list[T]]) -> list[T]:
    """Return responses in the order of `batch`; requests with equally many frames share a forward."""
    groups: dict[int, list[int]] = {}
    for place, each in enumerate(batch):
        groups.setdefault(len(each.pixels), []).append(place)
    found: dict[int, T] = {}
    for places in groups.values():
        found.update(zip(places, answer(places), strict=True))
    return [found[place] for place in range(len(batch))]
