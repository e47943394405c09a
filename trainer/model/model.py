"""The model that is trained: Hugging Face's InstructBLIP, with a forward of our own.

It computes what `InstructBlipForConditionalGeneration.forward` computes, with these differences:
the frozen vision encoder keeps no graph; projected queries and embedded text are concatenated, so that
a wrong number of placeholders cannot shift one sample's queries into the next; logits are made only
where a token is supervised; cross-entropy is in fp32 and summed, so that the engine can divide by the
number of tokens of the *global* batch; several frames are one sample, as in InstructBLIP's video model.

Every submodule is called, none reached into, so that ZeRO-3 can gather its parameters.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration
from transformers.modeling_layers import GradientCheckpointingLayer

from trainer.model.batch import IGNORED, Batch
from trainer.model.parts import is_encoder_decoder, vision_part

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Output(NamedTuple):
    """Losses of a batch of N samples, fp32: sums over supervised tokens of their cross-entropies."""

    loss_sum: Tensor  # [], carries the graph
    token_count: Tensor  # [], int64
    sample_loss: Tensor  # [N], detached
    sample_tokens: Tensor  # [N], int64
    sample_correct: Tensor  # [N], bool: greedy decoding would give the whole target


class Predictions(NamedTuple):
    """Predictions at each of T supervised positions of a batch."""

    logits: Tensor  # [T, vocabulary], in the language model's dtype
    targets: Tensor  # [T]
    samples: Tensor  # [T], which sample of the batch


class Model(nn.Module):
    """InstructBLIP as it is trained; `hf` is Hugging Face's module and holds all parameters.

    `image_token` is the id of the placeholders in `input_ids`; it need not have an embedding.
    """

    def __init__(
        self,
        hf: InstructBlipForConditionalGeneration,
        image_token: int,
        *,
        qformer_instruction: bool = True,
        lm_dropout: bool = False,
    ) -> None:
        super().__init__()
        # The same parameter as hf.query_tokens, here first: ZeRO-3 gathers what a module owns itself.
        self.query_tokens = hf.query_tokens
        self.hf = hf
        self.image_token = image_token
        self.qformer_instruction = qformer_instruction
        self.lm_dropout = lm_dropout
        self.train(self.training)

    @property
    def config(self) -> InstructBlipConfig:
        return self.hf.config

    @property
    def num_query_tokens(self) -> int:
        return self.config.num_query_tokens

    @property
    def image_side(self) -> int:
        return cast(int, vision_part(self.config).image_size)

    @property
    def is_encoder_decoder(self) -> bool:
        return is_encoder_decoder(self.config)

    def train(self, mode: bool = True) -> "Model":
        """Training mode for the Q-Former; the frozen parts stay in evaluation mode.

        Of the language model, `lm_dropout` lets dropout act. Its checkpointed layers get the mode
        in any case, alone and without their dropouts: they save activations by it.
        """
        super().train(mode)
        self.hf.vision_model.eval()
        if not self.lm_dropout:
            self.hf.language_model.eval()
            for module in self.hf.language_model.modules():
                if isinstance(module, GradientCheckpointingLayer):
                    module.training = mode
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Model":
        """Move or cast parameters; buffers are moved, never cast.

        `bfloat16()`, which an engine calls, would else round the rotary frequencies of a Llama: at
        position 100 an angle would be off by a tenth of a radian and more.
        """
        buffers = dict(self.named_buffers())
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in buffers.items():
            owner, _, own_name = name.rpartition(".")
            module = self.get_submodule(owner)
            moved = buffer.to(getattr(module, own_name).device)
            setattr(module, own_name, moved)
        return self

    def forward(self, batch: Batch) -> Output:
        """Losses of a batch; `batch.check` has been passed."""
        logits, targets, samples = self.predict(batch)
        losses = functional.cross_entropy(logits.float(), targets, reduction="none")
        sums = torch.zeros(len(batch), dtype=torch.float32, device=losses.device)
        return Output(
            loss_sum=losses.sum(),
            token_count=torch.tensor(len(targets), device=losses.device),
            sample_loss=sums.index_add(0, samples, losses.detach()),
            sample_tokens=_count(samples, len(batch)),
            sample_correct=_all_correct(logits, targets, samples, len(batch)),
        )

    @torch.no_grad()
    def correct(self, batch: Batch) -> Tensor:
        """Bool [N]: whether greedy decoding would give the whole target.

        Seen without decoding: given the target so far, each of its tokens is the likeliest.
        """
        logits, targets, samples = self.predict(batch)
        return _all_correct(logits, targets, samples, len(batch))

    def predict(self, batch: Batch) -> Predictions:
        """Logits at the supervised positions, in row order."""
        states = self.encode_pixels(batch.pixels) if batch.features is None else batch.features
        queries = self.read_queries(states, batch.qformer_ids, batch.qformer_mask, batch.num_frames)
        text = self.hf.get_input_embeddings()(batch.input_ids[:, batch.num_placeholders :])
        inputs = torch.cat([queries.to(text.dtype), text], dim=1)
        if self.is_encoder_decoder:
            return self._decode(inputs, batch)
        return self._continue(inputs, batch)

    @torch.no_grad()
    def encode_pixels(self, pixels: Tensor | None) -> Tensor:
        """States of the frozen encoder before `post_layernorm`, [N * F, tokens, width].

        `pixels` are uint8 [N * F, 3, side, side]. This is what the feature cache holds.
        """
        assert pixels is not None, "a batch has pixels or features"
        mean, std = _channels(CLIP_MEAN, pixels.device), _channels(CLIP_STD, pixels.device)
        normal = (pixels.float() / 255 - mean) / std
        vision = self.hf.vision_model
        return cast(Tensor, vision.encoder(vision.embeddings(normal)).last_hidden_state)

    def read_queries(
        self, states: Tensor, qformer_ids: Tensor, qformer_mask: Tensor, num_frames: int
    ) -> Tensor:
        """Projected queries of N samples, [N, F * Q, width of the language model].

        Each frame is read by itself under the sample's instruction; frames follow one another.
        """
        norm = self.hf.vision_model.post_layernorm
        images = norm(states.to(norm.weight.dtype)).to(self.query_tokens.dtype)
        queries = self.query_tokens.expand(len(images), -1, -1)
        mask = torch.ones(queries.shape[:-1], dtype=torch.long, device=images.device)
        ids = None
        if self.qformer_instruction:
            ids = qformer_ids.repeat_interleave(num_frames, dim=0)
            mask = torch.cat([mask, qformer_mask.repeat_interleave(num_frames, dim=0)], dim=1)
        output = self.hf.qformer(
            input_ids=ids,
            attention_mask=mask,
            query_embeds=queries,
            encoder_hidden_states=images,
        )
        read = output.last_hidden_state[:, : self.num_query_tokens]
        projected = cast(Tensor, self.hf.language_projection(read))
        return projected.reshape(len(images) // num_frames, -1, projected.shape[-1])

    def _continue(self, inputs: Tensor, batch: Batch) -> Predictions:
        """Without a padding mask: padding is behind every token that is looked at, attention causal."""
        language_model = cast(Any, self.hf.language_model)
        output = language_model.model(inputs_embeds=inputs, use_cache=False)
        samples, positions = batch.positions()
        states = output.last_hidden_state[samples, positions - 1]
        return Predictions(
            language_model.lm_head(states), batch.labels[samples, positions], samples
        )

    def _decode(self, inputs: Tensor, batch: Batch) -> Predictions:
        language_model = cast(Any, self.hf.language_model)
        config, labels = language_model.config, batch.labels
        encoded = language_model.encoder(inputs_embeds=inputs, attention_mask=batch.attention_mask)
        shifted = labels.new_full(labels.shape, config.decoder_start_token_id)
        shifted[:, 1:] = labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, config.pad_token_id)
        decoded = language_model.decoder(
            input_ids=shifted,
            encoder_hidden_states=encoded.last_hidden_state,
            encoder_attention_mask=batch.attention_mask,
            use_cache=False,
        )
        samples, positions = batch.positions()
        states = decoded.last_hidden_state[samples, positions]
        if config.scale_decoder_outputs:
            states = states * config.d_model**-0.5
        return Predictions(language_model.lm_head(states), labels[samples, positions], samples)


@cache
def _channels(values: tuple[float, float, float], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device).view(1, 3, 1, 1)


def _all_correct(logits: Tensor, targets: Tensor, samples: Tensor, num_samples: int) -> Tensor:
    wrong = (logits.argmax(-1) != targets).long()
    return wrong.new_zeros(num_samples).index_add(0, samples, wrong) == 0


def _count(samples: Tensor, num_samples: int) -> Tensor:
    """Count `samples` by value; `bincount` would wait for the GPU."""
    return samples.new_zeros(num_samples).index_add(0, samples, torch.ones_like(samples))
