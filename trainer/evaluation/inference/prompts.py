"""The input of the language model: queries of the images, then the embeddings of the prompt.

As in LAVIS (reference: `generate` and `predict_class` of `blip2_t5_instruct.py` and
`blip2_vicuna_instruct.py`): the Q-Former reads the last `max_instruction_tokens` (128) tokens of a prompt,
the language model the whole of it. An encoder's rows are padded at the right. A decoder's are padded at the
left of everything, in front of the queries, so that generation continues right behind each row, at the positions that
it has alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from trainer.batches.collate import encode, padded
from trainer.errors import EvaluationError
from trainer.model.model import Model
from trainer.model.parts import text_part
from trainer.model.tokens import Tokenizers


@dataclass(frozen=True)
class ModelInput:
    """One request to the model: a prompt, and uint8 `pixels` [F, 3, side, side] of F frames."""

    record_id: str
    prompt: str
    pixels: Tensor


@dataclass(frozen=True)
class Tokenized:
    """Token ids of N prompts; `num_cut` of them are longer than what the Q-Former reads."""

    qformer: list[list[int]]
    language: list[list[int]]
    num_cut: int


@dataclass(frozen=True)
class Prefix:
    """The prefix that the language model reads, for N requests of F frames each.

    inputs      [N, F * Q + text length, width], padded
    mask        int64, without the width: what is not padding
    record_ids  of the N requests
    """

    inputs: Tensor
    mask: Tensor
    record_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.record_ids)


def tokenize(prompts: Sequence[str], tokens: Tokenizers, *, for_qformer: bool) -> Tokenized:
    """Tokenize each prompt for both readers; a Q-Former that reads none gets an empty row."""
    first = [] if tokens.bos is None else [tokens.bos]
    last = [tokens.eos] if tokens.is_encoder_decoder else []
    rows = encode(tokens.language, prompts, "left", None)
    language = [[*first, *row, *last] for row in rows]
    if not for_qformer:
        return Tokenized([[tokens.qformer_pad]] * len(prompts), language, 0)
    longest = tokens.max_instruction_tokens
    read = encode(tokens.qformer, prompts, "left", longest, special=True)
    full = [prompt for prompt, row in zip(prompts, read, strict=True) if len(row) >= longest]
    whole = encode(tokens.qformer, full, "left", None, special=True) if full else []
    return Tokenized(read, language, sum(len(row) > longest for row in whole))


def check_room(
    batch: Sequence[ModelInput], tokenized: Tokenized, model: Model, num_new_tokens: Sequence[int]
) -> None:
    """Check that a decoder has positions for queries, prompt and new tokens; an encoder needs none.

    Raises:
        EvaluationError: names the first record that is too long.
    """
    if model.is_encoder_decoder:
        return
    most = int(text_part(model.config).max_position_embeddings)
    for each, row, new in zip(batch, tokenized.language, num_new_tokens, strict=True):
        queries = len(each.pixels) * model.num_query_tokens
        if queries + len(row) + new > most:
            raise EvaluationError(
                f"the prompt of record {each.record_id} is too long: {queries} query vectors, {len(row)} "
                f"tokens of the prompt and {new} of the answer, where the language model has {most} "
                "positions; shorten the prompt, or lower max_new_tokens, in its protocol"
            )


@torch.no_grad()
def read(
    batch: Sequence[ModelInput], tokenized: Tokenized, model: Model, tokens: Tokenizers
) -> Prefix:
    """Encode the images and build the prefix, on the model's device; all of `batch` have as many frames.

    Raises:
        EvaluationError: a row is non-finite; names the record.
    """
    device = model.query_tokens.device
    num_frames = len(batch[0].pixels)
    pixels = torch.cat([each.pixels for each in batch]).to(device)
    qformer_ids, qformer_mask = padded(tokenized.qformer, tokens.qformer_pad)
    queries = model.read_queries(
        model.encode_pixels(pixels), qformer_ids.to(device), qformer_mask.to(device), num_frames
    )
    ids, mask = padded(tokenized.language, tokens.pad, left=not model.is_encoder_decoder)
    text = cast(Tensor, model.hf.get_input_embeddings()(ids.to(device)))
    inputs, mask = _joined(queries.to(text.dtype), text, mask.to(device), model.is_encoder_decoder)
    record_ids = tuple(each.record_id for each in batch)
    finite = inputs.isfinite().flatten(1).all(1).tolist()
    if not all(finite):
        raise EvaluationError(
            f"the model computes non-finite values for record {record_ids[finite.index(False)]}; "
            "evaluate in float32, or check the model's weights"
        )
    return Prefix(inputs, mask, record_ids)


def _joined(queries: Tensor, text: Tensor, mask: Tensor, pad_right: bool) -> tuple[Tensor, Tensor]:
    """Queries before each row's text; a text's padding at the left goes before its queries."""
    inputs = torch.cat([queries, text], dim=1)
    mask = torch.cat([mask.new_ones(queries.shape[:2]), mask], dim=1)
    if pad_right:
        return inputs, mask
    # A stable sort by the mask moves the padding to the front and leaves the rest in order.
    order = mask.argsort(dim=1, stable=True)
    return inputs.gather(1, order[..., None].expand_as(inputs)), mask.gather(1, order)
