"""Language models that have read their prompts and continue with packs of candidates.

In a pack each token sees its ancestors and itself: a mask of our own says so, and positions are depths in
the tree, not places in the row.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast

from trainer.evaluation.inference.packing import Pack
from trainer.evaluation.inference.prompts import Prefix
from trainer.model.model import Model
from trainer.model.tokens import Tokenizers


def read_prompts(model: Model, inputs: Tensor, mask: Tensor) -> BaseModelOutputWithPast:
    """A decoder's states of prompts that are padded at the left, and their keys and values."""
    read = cast(Any, model.hf.language_model).model(
        inputs_embeds=inputs,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=True,
    )
    return cast(BaseModelOutputWithPast, read)


class Decoded:
    """An encoder-decoder (T5): prompts are encoded once, packs are decoded."""

    def __init__(self, model: Model, tokens: Tokenizers, prefix: Prefix) -> None:
        self.language_model = cast(Any, model.hf.language_model)
        self.pad, self.mask = tokens.pad, prefix.mask
        encoder = self.language_model.encoder
        encoded = encoder(inputs_embeds=prefix.inputs, attention_mask=prefix.mask)
        self.encoded: Tensor = encoded.last_hidden_state

    def states(self, samples: Sequence[int], packs: Sequence[Pack]) -> Tensor:
        """The decoder's states at each pack's nodes, [M, nodes, width]; the root is its start token."""
        device = self.encoded.device
        ids, depths = _laid_out(packs, self.pad)
        ids[:, 0] = self.language_model.config.decoder_start_token_id
        which = torch.tensor(samples, device=device)
        decoded = self.language_model.decoder(
            input_ids=ids.to(device),
            attention_mask=self._bias(packs, depths),
            encoder_hidden_states=self.encoded[which],
            encoder_attention_mask=self.mask[which],
            use_cache=False,
        )
        return cast(Tensor, decoded.last_hidden_state)

    def _bias(self, packs: Sequence[Pack], depths: Tensor) -> Tensor:
        """Return the bias to add to attention, [M or 1, heads, nodes, nodes].

        The decoder adds the bias of distances in the row, so that this is the difference to the bias of
        distances in depth; minus infinity hides what is no ancestor.
        """
        if all(each is packs[0] for each in packs):
            packs, depths = packs[:1], depths[:1]
        size = depths.shape[1]
        attention = self.language_model.decoder.block[0].layer[0].SelfAttention
        in_row = attention.compute_bias(size, size)  # [1, heads, nodes, nodes]
        there = depths.to(in_row.device)
        # Of the pair (depth, depth) of each pair of nodes.
        in_tree = in_row[0][:, there[:, :, None], there[:, None, :]].transpose(0, 1)
        hidden = ~_sees(packs, size, in_row.device)
        return cast(Tensor, in_tree - in_row).masked_fill(hidden, -torch.inf)


class Prolonged:
    """A decoder (Llama): the keys and values of prompts are computed once, packs are appended.

    Later rounds have fewer samples: those that have no more packs leave the cache.
    """

    def __init__(self, model: Model, tokens: Tokenizers, prefix: Prefix) -> None:
        self.decoder = cast(Any, model.hf.language_model).model
        self.pad, self.mask = tokens.pad, prefix.mask
        read = read_prompts(model, prefix.inputs, prefix.mask)
        self.cache = cast(Cache, read.past_key_values)
        self.last = cast(Tensor, read.last_hidden_state)[:, -1:]
        self.held = list(range(len(prefix)))

    def states(self, samples: Sequence[int], packs: Sequence[Pack]) -> Tensor:
        """The states at each pack's nodes, [M, nodes, width]; the root is the prompt's last token."""
        self._hold(samples)
        ids, depths = (each[:, 1:].to(self.last.device) for each in _laid_out(packs, self.pad))
        if not ids.shape[1]:
            return self.last
        lengths = self.mask.sum(1, keepdim=True)
        output = self.decoder(
            input_ids=ids,
            attention_mask=self._bias(packs, ids.shape[1]),
            position_ids=lengths + depths - 1,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.cache.crop(-ids.shape[1])
        return torch.cat([self.last, output.last_hidden_state], dim=1)

    def _hold(self, samples: Sequence[int]) -> None:
        if list(samples) == self.held:
            return
        keep = [self.held.index(sample) for sample in samples]
        which = torch.tensor(keep, device=self.last.device)
        self.cache.batch_select_indices(which)
        self.last, self.mask, self.held = self.last[which], self.mask[which], list(samples)

    def _bias(self, packs: Sequence[Pack], num_new: int) -> Tensor:
        """Return the bias to add to attention, [M, 1, new nodes, prompt and new nodes]."""
        tree = _sees(packs, num_new + 1, self.last.device)[:, :, 1:, 1:]
        prompt = self.mask.bool()[:, None, None, :].expand(-1, -1, num_new, -1)
        sees = torch.cat([prompt, tree], dim=-1)
        return torch.zeros_like(sees, dtype=self.last.dtype).masked_fill(~sees, -torch.inf)


def _laid_out(packs: Sequence[Pack], pad: int) -> tuple[Tensor, Tensor]:
    """Tokens and depths of nodes, [M, nodes]; behind a pack's last node there is padding."""
    size = max(map(len, packs))
    ids = [each.tokens + [pad] * (size - len(each)) for each in packs]
    depths = [each.depths + [0] * (size - len(each)) for each in packs]
    return torch.tensor(ids), torch.tensor(depths)


def _sees(packs: Sequence[Pack], size: int, device: torch.device) -> Tensor:
    """Bool [M, 1, size, size]: which nodes each node sees."""
    known = {id(each): torch.from_numpy(each.ancestry(size)) for each in packs}
    return torch.stack([known[id(each)] for each in packs])[:, None].to(device)
