"""Arithmetic of a training step: the floating-point operations of its matrix products.

A product of [m, k] and [k, n] counts 2 m k n. Counted are, for each sample at its own length (padding is
no work that the step needs):

    vision encoder   forward; it is frozen and keeps no graph; nothing where its states are cached
    Q-Former         forward, and backward for inputs and weights (twice the forward)
    language model   forward, and backward for inputs alone (once the forward, attention twice)

Attention counts all pairs of positions, also those that a causal mask hides. Element-wise work, the
optimizer and the second forward of gradient checkpointing are left out, as is usual for MFU.
"""

from typing import NamedTuple

from trainer.model.batch import IGNORED, Batch
from trainer.model.model import Model
from trainer.model.parts import is_encoder_decoder, qformer_part, text_part, vision_part


class Lengths(NamedTuple):
    """Lengths of one sample: what the model reads and writes."""

    num_frames: int
    instruction: int  # tokens of the Q-Former's text, 0 where it reads none
    inputs: int  # positions of the language model, placeholders included
    targets: int  # supervised tokens


class Flops(NamedTuple):
    """Operations by part."""

    vision: float
    qformer: float
    language_forward: float
    language_backward: float

    @property
    def total(self) -> float:
        return sum(self)


def batch_flops(model: Model, batch: Batch) -> float:
    """Operations of one forward and backward. Lengths are read from the masks, cheap on the CPU."""
    instructions = batch.qformer_mask.sum(1).tolist()
    inputs = batch.attention_mask.sum(1).tolist()
    targets = (batch.labels != IGNORED).sum(1).tolist()
    num_encoded = (
        len(batch.missing) if batch.features is not None else len(batch) * batch.num_frames
    )
    total = num_encoded * _vision(model)
    for instruction, length, target in zip(instructions, inputs, targets, strict=True):
        read = instruction if model.qformer_instruction else 0
        lengths = Lengths(batch.num_frames, read, length, target)
        total += sample_flops(model, lengths, cached=True).total
    return total


def sample_flops(model: Model, lengths: Lengths, *, cached: bool = False) -> Flops:
    """Operations of one sample's share of a step."""
    vision = 0.0 if cached else lengths.num_frames * _vision(model)
    qformer = lengths.num_frames * _qformer(model, lengths.instruction)
    language = _t5 if is_encoder_decoder(model.config) else _llama
    forward, backward = language(model, lengths)
    return Flops(vision, qformer, forward, backward)


def _product(rows: int, width_in: int, width_out: int) -> float:
    return 2.0 * rows * width_in * width_out


def _pairs(rows: int, columns: int, width: int) -> float:
    """Scores and their weighted sum: two products."""
    return 4.0 * rows * columns * width


def _image_tokens(model: Model) -> int:
    return int((model.image_side // int(str(vision_part(model.config).patch_size))) ** 2) + 1


def _vision(model: Model) -> float:
    config = vision_part(model.config)
    width, tokens = config.hidden_size, _image_tokens(model)
    layer = 4 * _product(tokens, width, width) + _pairs(tokens, tokens, width)
    layer += 2 * _product(tokens, width, config.intermediate_size)
    patch = 3 * int(str(config.patch_size)) ** 2
    return config.num_hidden_layers * layer + _product(tokens - 1, patch, width)


def _qformer(model: Model, text: int) -> float:
    """One frame: forward and backward."""
    config = qformer_part(model.config)
    width, inner = config.hidden_size, config.intermediate_size
    queries, images = model.num_query_tokens, _image_tokens(model)
    both = queries + text
    layer = 4 * _product(both, width, width) + _pairs(both, both, width)
    layer += 2 * _product(both, width, inner)
    reading = 2 * _product(queries, width, width) + _pairs(queries, images, width)
    keys = 2 * _product(images, config.encoder_hidden_size, width)
    num_reading = len(range(0, config.num_hidden_layers, config.cross_attention_frequency))
    projection = _product(queries, width, text_part(model.config).hidden_size)
    idle = 2 * _product(text, width, inner)  # the last layer's text: its weights are not trained
    norm = model.hf.vision_model.post_layernorm.weight.requires_grad
    backward_of_keys = (
        2 if norm else 1
    )  # without a trained norm nothing needs their inputs' gradient
    return (
        3 * (config.num_hidden_layers * layer + num_reading * reading + projection)
        + (1 + backward_of_keys) * num_reading * keys
        - idle
    )


def _llama(model: Model, lengths: Lengths) -> tuple[float, float]:
    config = text_part(model.config)
    width, rows = config.hidden_size, lengths.inputs
    head = getattr(config, "head_dim", None) or width // config.num_attention_heads
    query, key = head * config.num_attention_heads, head * config.num_key_value_heads
    linear = 2 * _product(rows, width, query) + 2 * _product(rows, width, key)
    linear += 3 * _product(rows, width, config.intermediate_size)
    linear *= config.num_hidden_layers
    attention = config.num_hidden_layers * _pairs(rows, rows, query)
    linear += _product(lengths.targets, width, config.vocab_size)
    return linear + attention, linear + 2 * attention


def _t5(model: Model, lengths: Lengths) -> tuple[float, float]:
    config = text_part(model.config)
    width, heads = config.d_model, config.d_kv * config.num_heads
    read, written = lengths.inputs, lengths.targets
    num_matrices = 3 if config.is_gated_act else 2

    def block(rows: int) -> float:
        return 4 * _product(rows, width, heads) + num_matrices * _product(rows, width, config.d_ff)

    across = 2 * _product(written, width, heads) + 2 * _product(read, width, heads)
    linear = config.num_layers * block(read) + config.num_decoder_layers * (block(written) + across)
    linear += _product(written, width, config.vocab_size)
    attention = config.num_layers * _pairs(read, read, heads)
    attention += config.num_decoder_layers * (
        _pairs(written, written, heads) + _pairs(written, read, heads)
    )
    # Nothing trained is before the first cross-attention: its queries and what made them go without.
    untouched = 5 * _product(written, width, heads)
    untouched += 2 * _pairs(written, written, heads) + _pairs(written, read, heads) / 2
    return linear + attention, linear + 2 * attention - untouched
