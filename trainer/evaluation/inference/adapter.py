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

    The model is changed in place: moved to `device`, cast to `compute_dtype`, set to evaluation mode.
    `facts` describe it in the results. `num_cut_prompts` counts the prompts that were truncated for the
    Q-Former so far.
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
        """Generate one text per request, without special tokens or surrounding whitespace.

        Raises:
            EvaluationError: names a record whose prompt is too long, or for which the model fails.
        """

        def respond(places: Sequence[int]) -> list[str]:
            some = [batch[place] for place in places]
            tokenized = self._tokenized(some)
            most_new = decoding.most_new_tokens(self.language_model)
            check_room(some, tokenized, self.model, [most_new] * len(some))
            prefix = read(some, tokenized, self.model, self.tokenizers)
            return generate(self.model, self.tokenizers, prefix, decoding)

        return _by_frames(batch, respond)

    def rank(
        self, batch: Sequence[ModelInput], candidates: Sequence[Sequence[str]], *, end_token: bool
    ) -> list[list[float]]:
        """Return the log-likelihoods of each request's candidates: natural logarithms, summed over tokens.

        They are not normalized by length. With `end_token`, the end token counts as a candidate's last token.

        Raises:
            EvaluationError: names a record with a candidate that cannot be scored, and the candidate.
        """
        if len(batch) != len(candidates):
            raise ValueError(f"{len(batch)} requests, but {len(candidates)} lists of candidates")
        rows = tokenize_candidates(batch, candidates, self.tokenizers, end_token=end_token)

        def respond(places: Sequence[int]) -> list[list[float]]:
            some = [batch[place] for place in places]
            tokenized = self._tokenized(some)
            longest = [max(map(len, rows[place])) for place in places]
            check_room(some, tokenized, self.model, longest)
            prefix = read(some, tokenized, self.model, self.tokenizers)
            texts = [candidates[place] for place in places]
            return rank(self.model, self.tokenizers, prefix, texts, [rows[p] for p in places])

        return _by_frames(batch, respond)

    def check(
        self,
        batch: Sequence[ModelInput],
        candidates: Sequence[Sequence[str]] | None,
        *,
        end_token: bool,
        most_new: int,
    ) -> int:
        """Check that `most_new` tokens fit after each prompt, or that every candidate has tokens and fits.

        Pixels are not used, only the number of frames. Returns the number of prompts that are
        truncated for the Q-Former.

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


def _by_frames(batch: Sequence[ModelInput], respond: Callable[[Sequence[int]], list[T]]) -> list[T]:
    """Return responses in the order of `batch`; requests with the same number of frames share a batch."""
    groups: dict[int, list[int]] = {}
    for place, each in enumerate(batch):
        groups.setdefault(len(each.pixels), []).append(place)
    found: dict[int, T] = {}
    for places in groups.values():
        found.update(zip(places, respond(places), strict=True))
    return [found[place] for place in range(len(batch))]
