"""Rules of an evaluation: the part `evaluation` of a protocol file.

    evaluation:
      split: testdev
      records: 12578
      method: generate
      decoding: {beams: 5, max_new_tokens: 10, length_penalty: {t5: -1, llama: 0}}
      metric: exact_match_lavis
      normaliser: vqa_both_sides
      read_in:
        split: where that was read; one line for every key above

A protocol that `extends` another inherits the keys that it does not give (`merged`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from sys import float_info
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator
from pydantic_core import PydanticKnownError

LanguageModel: TypeAlias = Literal["t5", "llama"]
Candidates: TypeAlias = Literal[
    "choices", "letters", "capitals", "record", "vocabulary", "verbalizers"
]
ImagePreparation: TypeAlias = Literal["square", "center_crop"]
"""`square`: the whole image becomes a square (LAVIS's `blip_image_eval`). `center_crop`: its shorter side
becomes the model's, and the central square is cut out (LAVIS's `clip_image_eval`)."""
Count: TypeAlias = Annotated[int, Field(strict=True)]  # true and "3" are no counts


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PerModel(_Part):
    """A value that differs between encoder-decoders (FlanT5) and decoders (Vicuna)."""

    t5: FiniteFloat
    llama: FiniteFloat


class CountPerModel(_Part):
    """A number of tokens that differs between encoder-decoders (FlanT5) and decoders (Vicuna)."""

    t5: Count = Field(ge=1)
    llama: Count = Field(ge=1)


class Decoding(_Part):
    """Options of generation, named as in transformers' `generate`; there is no sampling.

    `length_penalty` is the exponent of the length that a beam's log-probability is divided by.
    `min_new_tokens` and `max_new_tokens` do not count the start token; LAVIS's `max_length` of Vicuna does,
    so that its variants have one token less for it.
    """

    beams: Count = Field(default=5, ge=1)
    min_new_tokens: Count = Field(default=1, ge=0)
    max_new_tokens: Count | CountPerModel
    length_penalty: FiniteFloat | PerModel = 1.0
    repetition_penalty: FiniteFloat = Field(default=1.0, gt=0, strict=True)

    @field_validator("length_penalty", mode="before")
    @classmethod
    def _one_number_or_two(cls, value: Any) -> Any:
        """Refuse with one sentence, where pydantic has one for each type of the union."""
        numbers = _one_or_two(value)
        if all(map(_is_number, numbers)) or isinstance(value, PerModel):
            return value
        raise ValueError(f"{value!r} is neither a finite number nor {{t5: number, llama: number}}")

    @field_validator("max_new_tokens", mode="before")
    @classmethod
    def _one_count_or_two(cls, value: Any) -> Any:
        """Refuse with one sentence, as above."""
        if isinstance(value, CountPerModel):
            return value
        for each in _one_or_two(value):
            if isinstance(each, Mapping):
                raise ValueError(
                    f"{value!r} is neither a whole number nor {{t5: number, llama: number}}"
                )
            if isinstance(each, bool) or not isinstance(each, int):
                raise PydanticKnownError("int_type")
            if each < 1:
                raise PydanticKnownError("greater_than_equal", {"ge": 1})
        return value

    @model_validator(mode="after")
    def _lengths_fit(self) -> "Decoding":
        fewest = min(map(self.most_new_tokens, get_args(LanguageModel)))
        if self.min_new_tokens > fewest:
            raise ValueError(
                f"min_new_tokens is {self.min_new_tokens}, more than max_new_tokens, {fewest}"
            )
        return self

    def most_new_tokens(self, language_model: LanguageModel) -> int:
        """Return `max_new_tokens` for a kind of language model."""
        if isinstance(self.max_new_tokens, CountPerModel):
            return self.max_new_tokens.t5 if language_model == "t5" else self.max_new_tokens.llama
        return self.max_new_tokens

    def penalty(self, language_model: LanguageModel) -> float:
        """Return the length penalty for a kind of language model."""
        if isinstance(self.length_penalty, PerModel):
            return self.length_penalty.t5 if language_model == "t5" else self.length_penalty.llama
        return self.length_penalty


class Verbalizers(_Part):
    """Candidates that stand for yes and for no in a ranked two-way decision."""

    positive: tuple[str, ...] = Field(min_length=1)
    negative: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_word_once(self) -> "Verbalizers":
        counts = Counter(word.strip() for word in self.positive + self.negative)
        if twice := [word for word, count in counts.items() if count > 1]:
            raise ValueError(
                f"{', '.join(map(repr, twice))} is given twice; a word stands for yes or for no, once"
            )
        return self


class Evaluation(_Part):
    """Rules of one evaluation.

    split              evaluated split; the paper's, where the paper has the set
    records            number of records of the complete split; None where unknown
    server             server that scores `split`, where its answers are hidden
    validation_split   split that is scored instead, and marked as another split
    method             free generation, or ranking of a closed list of candidates
    image              how an image becomes the model's square: `square` (default) or `center_crop`
    decoding           of generation
    candidates         ranked candidates: `choices` (their texts), their `letters` ("(a)") or `capitals`
                       ("A"), `record` (the record's own list), `vocabulary` (the source's),
                       `verbalizers`
    vocabulary_splits  splits whose answers make the vocabulary, if not the training file's alone
    end_token          whether a candidate's log-probability includes that of the end token
    metric             a name in `trainer.evaluation.metrics.table`, whose first number is the headline
    normaliser         the metric's normalisation of predictions and references, stated for the reader
    read_in            source of each of the above, or who decided it
    differences        what differs from the paper's evaluation, or may differ
    """

    split: str
    records: Count | None = Field(default=None, ge=1)
    server: str | None = None
    validation_split: str | None = None
    method: Literal["generate", "rank"]
    image: ImagePreparation = "square"
    decoding: Decoding | None = None
    candidates: Candidates | None = None
    vocabulary_splits: tuple[str, ...] | None = Field(default=None, min_length=1)
    verbalizers: Verbalizers | None = None
    end_token: PerModel | None = None
    metric: str
    normaliser: str
    read_in: Mapping[str, str]
    differences: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> "Evaluation":
        generates = self.method == "generate"
        if generates != (self.decoding is not None):
            raise ValueError("`decoding` goes with method generate, and is needed there")
        if generates == (self.candidates is not None):
            raise ValueError("`candidates` goes with method rank, and is needed there")
        if self.vocabulary_splits is not None and self.candidates != "vocabulary":
            raise ValueError("`vocabulary_splits` goes with candidates: vocabulary")
        if (self.candidates == "verbalizers") != (self.verbalizers is not None):
            raise ValueError("`verbalizers` goes with candidates: verbalizers")
        if (self.server is None) != (self.validation_split is None):
            raise ValueError("`server` and `validation_split` go together")
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        if missing := sorted(given - {"read_in", "differences"} - set(self.read_in)):
            raise ValueError(f"read_in has no place for {', '.join(missing)}")
        if unknown := sorted(set(self.read_in) - given):
            raise ValueError(f"read_in has a place for {', '.join(unknown)}, which is not given")
        return self

    def ends(self, language_model: LanguageModel) -> bool:
        """Return True if a candidate's score includes the end token, for a kind of language model.

        LAVIS scores it for T5 (`modeling_t5.py`), and not for Vicuna (`blip2_vicuna_instruct.py`).
        """
        if self.end_token is None:
            return language_model == "t5"
        return bool(self.end_token.t5 if language_model == "t5" else self.end_token.llama)


def _one_or_two(value: Any) -> list[Any]:
    """Return the numbers of `{t5: number, llama: number}`, or the value itself."""
    both = isinstance(value, Mapping) and set(value) == {"t5", "llama"}
    return list(value.values()) if both else [value]


def _is_number(value: Any) -> bool:
    """Return True for a finite number; False for `true` and for integers beyond float's range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= float_info.max


_LATER: Mapping[str, Any] = {"image": "square", "vocabulary_splits": None}
"""Keys that protocols of earlier releases did not have: at their defaults, hashes stay as they were."""


def protocol_hash(prompt: str, task: str, evaluation: Evaluation) -> str:
    """Return the sha256 of all that decides a score; sources and differences do not count."""
    rules = evaluation.model_dump(mode="json", exclude={"read_in", "differences"})
    for name, default in _LATER.items():
        if rules[name] == default:
            del rules[name]
    content = json.dumps([prompt, task, rules], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a base's `evaluation` with the variant's keys in place of the base's, each as a whole.

    Each key that the variant gives needs its own line in `read_in`; the other lines are the base's. A
    key set to null is removed; a changed `method` removes the keys of the base's method alone. The
    base's `differences` are left out: they may describe what the variant has changed.
    """
    result = {**base, **own}
    if "differences" not in own:
        result.pop("differences", None)
    unfit = ("candidates", "vocabulary_splits", "verbalizers", "end_token")
    for name in unfit if result.get("method") == "generate" else ("decoding",):
        if name not in own:
            result.pop(name, None)
    if result.get("candidates") != "verbalizers" and "verbalizers" not in own:
        result.pop("verbalizers", None)
    if result.get("candidates") != "vocabulary" and "vocabulary_splits" not in own:
        result.pop("vocabulary_splits", None)
    return {**result, "read_in": _read_in(base, own, result)}


def _read_in(base: Mapping[str, Any], own: Mapping[str, Any], result: Mapping[str, Any]) -> Any:
    """Return the lines of both about the keys of `result`; a non-mapping is left to validation."""
    of_base, of_own = base.get("read_in", {}), own.get("read_in", {})
    for each in (of_base, of_own):
        if not isinstance(each, Mapping):
            return each
    inherited = {name for name in result if name not in own}
    return {name: text for name, text in of_base.items() if name in inherited} | dict(of_own)
