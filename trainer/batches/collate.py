"""Samples become a batch: both texts tokenized, placeholders in front, labels aligned.

What LAVIS does (reference: `blip2_t5_instruct.py`, `blip2_vicuna_instruct.py`), in whole:

- The instruction goes to the Q-Former and to the language model, each cut at `max_instruction_tokens`
  from the left: the end, where the question is, stays. LAVIS cuts both at 128.
- The target is cut at `max_target_tokens` from the right (LAVIS: 256) and ends with the end token,
  which is supervised.
- An encoder-decoder (FlanT5) reads queries and instruction and decodes the target; a decoder-only
  model (Vicuna) reads queries, instruction and target in one row. Padding is at the far right.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from trainer.data.order.sample import Sample
from trainer.errors import DataError
from trainer.model.batch import IGNORED, Batch
from trainer.model.features import FeatureCache
from trainer.model.tokens import Tokenizers


class Collator:
    """Makes batches of samples for one model's tokenizers; can be sent to worker processes."""

    def __init__(
        self,
        tokenizers: Tokenizers,
        *,
        instruction_in_qformer: bool = True,
        feature_cache: FeatureCache | None = None,
    ) -> None:
        self.tokens = tokenizers
        self.instruction_in_qformer = instruction_in_qformer
        self.feature_cache = feature_cache

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """One micro-batch; with a feature cache, what it holds takes the images' place.

        Raises:
            DataError: the batch is misaligned, or a sample has nothing to learn.
        """
        tokens = self.tokens
        instructions = [sample.instruction for sample in samples]
        read_first = instructions if self.instruction_in_qformer else [""] * len(samples)
        qformer_rows = encode(
            tokens.qformer, read_first, "left", tokens.max_instruction_tokens, special=True
        )
        prompts = self._prompts(instructions)
        targets = [
            [*row, tokens.eos]
            for row in encode(
                tokens.language,
                [sample.target for sample in samples],
                "right",
                tokens.max_target_tokens - 1,
            )
        ]
        num_frames = _num_frames(samples)
        num_placeholders = num_frames * tokens.num_query_tokens
        placeholders = [tokens.image_token] * num_placeholders
        if tokens.is_encoder_decoder:
            rows = [placeholders + prompt for prompt in prompts]
            labels = targets
        else:
            rows = [placeholders + p + t for p, t in zip(prompts, targets, strict=True)]
            labels = [
                [IGNORED] * (num_placeholders + len(p)) + t
                for p, t in zip(prompts, targets, strict=True)
            ]
        qformer_ids, qformer_mask = padded(qformer_rows, tokens.qformer_pad)
        input_ids, attention_mask = padded(rows, tokens.pad)
        batch = Batch(
            **self._images(samples),
            qformer_ids=qformer_ids,
            qformer_mask=qformer_mask,
            input_ids=input_ids,
            attention_mask=attention_mask,
            labels=padded(labels, IGNORED)[0],
            ks=torch.tensor([sample.place.k for sample in samples]),
            num_frames=num_frames,
            num_placeholders=num_placeholders,
            sources=tuple(sample.place.source for sample in samples),
            record_ids=tuple(sample.record_id for sample in samples),
            replaced=tuple(item for sample in samples for item in sample.replaced),
        )
        batch.check(tokens.image_token)
        return batch

    def _images(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """Pixels, or states of the frozen encoder as far as they are cached."""
        if self.feature_cache is None:
            return {"pixels": _pixels(samples)}
        hashes = [name for sample in samples for name in sample.image_hashes or ()]
        features, missing = self.feature_cache.find(hashes)
        return {
            "pixels": _pixels(samples) if missing else None,
            "features": features,
            "missing": tuple(missing),
            "image_hashes": tuple(hashes),
        }

    def _prompts(self, instructions: Sequence[str]) -> list[list[int]]:
        """The language model's side: `bos text` where it only decodes, `text eos` where it encodes."""
        tokens = self.tokens
        first = [] if tokens.bos is None else [tokens.bos]
        last = [tokens.eos] if tokens.is_encoder_decoder else []
        room = tokens.max_instruction_tokens - len(first) - len(last)
        rows = encode(tokens.language, instructions, "left", room)
        return [[*first, *row, *last] for row in rows]


def encode(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    cut: str,
    length: int | None,
    *,
    special: bool = False,
) -> list[list[int]]:
    """Ids of each text, at most `length`, cut at the `cut` side. Markup such as `</s>` is plain text."""
    tokenizer.truncation_side = cut
    rows: list[list[int]] = tokenizer(
        list(texts),
        add_special_tokens=special,
        truncation=length is not None,
        max_length=length,
        verbose=False,
        split_special_tokens=True,
        return_attention_mask=False,
    ).input_ids
    return rows


def _num_frames(samples: Sequence[Sample]) -> int:
    """Return how many images, or frames of a video, each sample has.

    Raises:
        DataError: some have more than others.
    """
    found = {1 if sample.images is None else len(sample.images): sample for sample in samples}
    if len(found) > 1:
        most = found[max(found)]
        raise DataError(
            f"a batch holds records of {' and '.join(map(str, sorted(found)))} images or frames, such as "
            f"{most.record_id} of {max(found)}, and all of a batch need as many; train on sources "
            "of one kind, or, of own data, build with `images: {several: first}` in the source file"
        )
    return next(iter(found))


def _pixels(samples: Sequence[Sample]) -> Tensor:
    images = [sample.images for sample in samples if sample.images is not None]
    assert len(images) == len(samples), "samples without images cannot be collated"
    return torch.cat([torch.from_numpy(each) for each in images])


def padded(
    rows: Sequence[Sequence[int]], value: int, *, left: bool = False
) -> tuple[Tensor, Tensor]:
    """Rows of one length, padded at the right or the left, and a mask of what is not padding."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), value)
    mask = torch.zeros((len(rows), longest), dtype=torch.int64)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(len(row))
        ids[number, place] = torch.tensor(row, dtype=torch.int64)
        mask[number, place] = 1
    return ids, mask
