"""A model that answers: it writes text about images, or says how likely each of some texts is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch

from templates.evaluation import Decoding, LanguageModel
from trainer.evaluation.inference.generation import generate
from trainer.evaluation.inference.prompts import Asked, Tokenized, check_room, read, tokenize
from trainer.evaluation.inference.ranking import rank, tokenize_candidates
from trainer.model.model import Model
from trainer.model.tokens import Tokenizers

__all__ = ["Answerer", "Asked"]

T = TypeVar("T")


class Answerer:
    """Answers questions about images, several at once, each as if it were asked alone.

    The model is taken over: moved to `device`, cast to `compute_dtype`, set to evaluation. `facts` say
    what it is, for the results. `num_cut_prompts` counts the prompts so far whose beginning the Q-Former
    did not see.
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

    def generate(self, asked: Sequence[Asked], decoding: Decoding) -> list[str]:
        """The text that the model writes for each question, without special tokens and outer space.

        Raises:
            EvaluationError: names a record whose prompt is too long, or for which the model fails.
        """

        def answer(places: Sequence[int]) -> list[str]:
            some = [asked[place] for place in places]
            tokenized = self._tokenized(some)
            check_room(some, tokenized, self.model, [decoding.max_new_tokens] * len(some))
            prefix = read(some, tokenized, self.model, self.tokenizers)
            return generate(self.model, self.tokenizers, prefix, decoding)

        return _by_frames(asked, answer)

    def rank(
        self, asked: Sequence[Asked], candidates: Sequence[Sequence[str]], *, end_token: bool
    ) -> list[list[float]]:
        """Each question's candidates' log-probabilities: natural logarithms, summed over their tokens.

        Sums are not divided by lengths. With `end_token` that of the end token is among them.

        Raises:
            EvaluationError: names a record with a candidate that cannot be scored, and the candidate.
        """
        if len(asked) != len(candidates):
            raise ValueError(f"{len(asked)} questions, but {len(candidates)} lists of candidates")
        rows = tokenize_candidates(asked, candidates, self.tokenizers, end_token=end_token)

        def answer(places: Sequence[int]) -> list[list[float]]:
            some = [asked[place] for place in places]
            tokenized = self._tokenized(some)
            longest = [max(map(len, rows[place])) for place in places]
            check_room(some, tokenized, self.model, longest)
            prefix = read(some, tokenized, self.model, self.tokenizers)
            texts = [candidates[place] for place in places]
            return rank(self.model, self.tokenizers, prefix, texts, [rows[p] for p in places])

        return _by_frames(asked, answer)

    def check(
        self,
        asked: Sequence[Asked],
        candidates: Sequence[Sequence[str]] | None,
        *,
        end_token: bool,
        most_new: int,
    ) -> int:
        """Whether questions have room for `most_new` tokens, or all candidates tokens and room.

        Of `asked` the number of frames counts, not what they show. Returns how many prompts the Q-Former
        will see without their beginning.

        Raises:
            EvaluationError: names the first record that has not.
        """
        reads = self.model.qformer_instruction
        prompts = [each.prompt for each in asked]
        tokenized = tokenize(prompts, self.tokenizers, for_qformer=reads)
        new = [most_new] * len(asked)
        if candidates is not None:
            rows = tokenize_candidates(asked, candidates, self.tokenizers, end_token=end_token)
            new = [max(map(len, each)) for each in rows]
        check_room(asked, tokenized, self.model, new)
        return tokenized.num_cut

    def _tokenized(self, asked: Sequence[Asked]) -> Tokenized:
        reads = self.model.qformer_instruction
        prompts = [each.prompt for each in asked]
        tokenized = tokenize(prompts, self.tokenizers, for_qformer=reads)
        self.num_cut_prompts += tokenized.num_cut
        return tokenized


def _by_frames(asked: Sequence[Asked], answer: Callable[[Sequence[int]], list[T]]) -> list[T]:
    """Answers in the order of `asked`, of which those with as many frames are asked together."""
    groups: dict[int, list[int]] = {}
    for place, each in enumerate(asked):
        groups.setdefault(len(each.pixels), []).append(place)
    found: dict[int, T] = {}
    for places in groups.values():
        found.update(zip(places, answer(places), strict=True))
    return [found[place] for place in range(len(asked))]
