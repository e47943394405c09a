"""Ranking: the log-likelihood of each of a closed list of candidates.

A candidate's score is the sum of its tokens' log-probabilities, not divided by its length (reference:
LAVIS's `predict_class`; its T5 sums, its Vicuna divides each by the same padded length). What a request's
candidates share is computed once: an encoder's states, a decoder's keys and values of the prompt, and
what several candidates begin with (see `packing`). Memory is bounded: long lists are scored in parts.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from trainer.batches.collate import encode
from trainer.errors import EvaluationError
from trainer.evaluation.inference.continuing import Decoded, Prolonged
from trainer.evaluation.inference.packing import Pack, pack
from trainer.evaluation.inference.prompts import ModelInput, Prefix
from trainer.model.model import Model
from trainer.model.parts import text_part
from trainer.model.tokens import Tokenizers

BUDGET_BYTES = 1 << 30
"""Of memory for what is computed of candidates, beside the model and the prompts."""
MOST_NODES = 512
"""Of a pack: its attention grows with their square."""

Rows = list[list[int]]


class Reader(Protocol):
    """A language model that has read N prompts."""

    def states(self, samples: Sequence[int], packs: Sequence[Pack]) -> Tensor:
        """Return the hidden states of each pack's nodes, [M, nodes, width], for M of the samples."""


def tokenize_candidates(
    batch: Sequence[ModelInput],
    candidates: Sequence[Sequence[str]],
    tokens: Tokenizers,
    *,
    end_token: bool,
) -> list[Rows]:
    """Tokenize each request's candidates like targets in training; equal lists are one object.

    Raises:
        EvaluationError: there is no candidate, or one has no tokens; names record and candidate.
    """
    known: dict[tuple[str, ...], Rows] = {}
    found = []
    for each, texts in zip(batch, candidates, strict=True):
        if not texts:
            raise EvaluationError(f"record {each.record_id} has no candidates to rank")
        key = tuple(texts)
        if key not in known:
            rows = encode(tokens.language, key, "right", None)
            if [] in rows:
                raise EvaluationError(
                    f"record {each.record_id}: candidate {key[rows.index([])]!r} (number "
                    f"{rows.index([])}) has no tokens; leave it out of the candidates"
                )
            known[key] = [[*row, tokens.eos] for row in rows] if end_token else rows
        found.append(known[key])
    return found


@torch.no_grad()
def rank(
    model: Model,
    tokens: Tokenizers,
    prefix: Prefix,
    texts: Sequence[Sequence[str]],
    candidates: Sequence[Rows],
    *,
    budget_bytes: int = BUDGET_BYTES,
) -> list[list[float]]:
    """Return the log-probabilities of each row's candidates; `texts` name them in errors.

    Raises:
        EvaluationError: one is non-finite; names record and candidate.
    """
    most_nodes = _nodes_at_once(model, len(prefix), budget_bytes)
    known: dict[int, list[Pack]] = {}
    for rows in candidates:
        if id(rows) not in known:
            known[id(rows)] = pack(rows, most_nodes)
    packs = [known[id(rows)] for rows in candidates]
    kind = Decoded if model.is_encoder_decoder else Prolonged
    reader: Reader = kind(model, tokens, prefix)
    scores = [torch.zeros(len(rows), dtype=torch.float64) for rows in candidates]
    for number in range(max(map(len, packs))):
        samples = [sample for sample, own in enumerate(packs) if number < len(own)]
        trees = [packs[sample][number] for sample in samples]
        states = reader.states(samples, trees)
        found = _log_probs(model, states, trees, budget_bytes // 2)
        for sample, tree, values in zip(samples, trees, found, strict=True):
            scores[sample].index_add_(0, torch.tensor(tree.numbers), values)
    result = [values.tolist() for values in scores]
    _refuse_non_finite(prefix, texts, scores)
    return result


class _Wanted(NamedTuple):
    """The predictions that candidates need: row of the states, and token."""

    rows: Tensor
    tokens: Tensor


def _log_probs(
    model: Model, states: Tensor, trees: Sequence[Pack], budget_bytes: int
) -> list[Tensor]:
    """Return the log-probabilities of each pack's targets, in its order; float64 on the CPU."""
    size = states.shape[1]
    places = [i * size + node for i, tree in enumerate(trees) for node in range(len(tree))]
    starts = _starts([len(tree) for tree in trees])
    wanted = _Wanted(
        torch.tensor([s + n for s, tree in zip(starts, trees, strict=True) for n in tree.nodes]),
        torch.tensor([token for tree in trees for token in tree.targets]),
    )
    flat = states.flatten(0, 1)[torch.tensor(places, device=states.device)]
    vocabulary = int(text_part(model.config).vocab_size)
    rows_at_once = max(budget_bytes // (vocabulary * (8 + flat.element_size())), 1)
    found = torch.zeros(len(wanted.rows), dtype=torch.float64)
    for start in range(0, len(flat), rows_at_once):
        logits = _logits(model, flat[start : start + rows_at_once])
        total = logits.logsumexp(-1)
        inside = ((wanted.rows >= start) & (wanted.rows < start + rows_at_once)).nonzero()[:, 0]
        rows = (wanted.rows[inside] - start).to(logits.device)
        chosen = logits[rows, wanted.tokens[inside].to(logits.device)]
        found[inside] = (chosen - total[rows]).double().cpu()
    return list(torch.split(found, [len(tree.targets) for tree in trees]))


def _logits(model: Model, states: Tensor) -> Tensor:
    """Of the language model's last states, fp32."""
    language_model = cast(Any, model.hf.language_model)
    if model.is_encoder_decoder and language_model.config.scale_decoder_outputs:
        states = states * language_model.config.d_model**-0.5
    return cast(Tensor, language_model.lm_head(states)).float()


def _nodes_at_once(model: Model, num_samples: int, budget_bytes: int) -> int:
    """Return the size of packs: half the budget for keys and values, half for what grows with the square.

    The square is attention between nodes: a mask and scores in fp32, for every head.
    """
    text = text_part(model.config)
    size = model.query_tokens.element_size()
    if model.is_encoder_decoder:
        width, layers = text.num_heads * text.d_kv, 1  # no cache: one layer after the other
        feed_forward, heads = text.d_ff, text.num_heads
    else:
        head = text.head_dim or text.hidden_size // text.num_attention_heads
        width, layers = text.num_key_value_heads * head, text.num_hidden_layers
        feed_forward, heads = text.intermediate_size, text.num_attention_heads
    per_node = num_samples * size * (2 * width * layers + 4 * feed_forward)
    per_pair = num_samples * heads * 8
    half = budget_bytes // 2
    return max(2, min(MOST_NODES, half // int(per_node), isqrt(half // int(per_pair))))


def _starts(lengths: Sequence[int]) -> list[int]:
    starts = [0]
    for length in lengths[:-1]:
        starts.append(starts[-1] + length)
    return starts


def _refuse_non_finite(
    prefix: Prefix, texts: Sequence[Sequence[str]], scores: Sequence[Tensor]
) -> None:
    for record_id, own, values in zip(prefix.record_ids, texts, scores, strict=True):
        if not bool((finite := values.isfinite()).all()):
            wrong = int((~finite).nonzero()[0])
            raise EvaluationError(
                f"record {record_id}: the log-probability of candidate {own[wrong]!r} is "
                f"{float(values[wrong])}; evaluate in float32, or check the model's weights"
            )
