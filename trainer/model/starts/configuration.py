"""Configurations of InstructBLIP: read from a file, composed of parts, or the paper's.

The paper's four models differ in their language model alone: EVA-CLIP ViT-g/14 without its last block,
a BERT-base Q-Former with cross-attention in every second layer, 32 queries.
"""

from pathlib import Path

from transformers import (
    InstructBlipConfig,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    T5Config,
)

from trainer.config.model import Size
from trainer.errors import ModelError

QFORMER_VOCABULARY = 30523
"""bert-base-uncased's 30522 and `[DEC]`, which LAVIS added in stage 1."""

VISION_INITIALIZER_RANGE = 0.02
"""Transformers' default is 1e-10: an encoder made from a configuration alone would see nothing."""

_WIDTHS: dict[Size, tuple[int, int, int, int]] = {  # width, feed-forward, layers, heads
    "flan_t5_xl": (2048, 5120, 24, 32),
    "flan_t5_xxl": (4096, 10240, 24, 64),
    "vicuna_7b": (4096, 11008, 32, 32),
    "vicuna_13b": (5120, 13824, 40, 40),
}


def paper_config(size: Size) -> InstructBlipConfig:
    """Return the configuration of one of the paper's four models."""
    width, feed_forward, layers, heads = _WIDTHS[size]
    text: T5Config | LlamaConfig
    if size.startswith("flan_t5"):
        text = _t5(
            vocab_size=32128,
            d_model=width,
            d_kv=64,
            d_ff=feed_forward,
            num_layers=layers,
            num_decoder_layers=layers,
            num_heads=heads,
        )
        image_token = 32100
    else:
        text = LlamaConfig(
            vocab_size=32064,
            hidden_size=width,
            intermediate_size=feed_forward,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=2048,
            pad_token_id=32000,
        )
        image_token = 32001
    return compose(text.to_dict(), image_token=image_token)


def _t5(**sizes: int) -> T5Config:
    made: T5Config = T5Config.from_dict(
        {
            "feed_forward_proj": "gated-gelu",
            "dense_act_fn": "gelu",
            "tie_word_embeddings": False,
            "decoder_start_token_id": 0,
            **sizes,
        }
    )
    return made


def read_config(path: Path) -> InstructBlipConfig:
    """Read an InstructBLIP `config.json`.

    Raises:
        ModelError: there is none, or it is of another kind of model.
    """
    if not path.is_file():
        raise ModelError(f"no such file: {path}")
    try:
        read = InstructBlipConfig.get_config_dict(path)[0]
        if read.get("model_type") not in ("instructblip", "instructblipvideo"):
            raise ModelError(f"{path} describes a {read.get('model_type')}, not an instructblip")
        return InstructBlipConfig.from_dict(read | {"model_type": "instructblip"})
    except (OSError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error


def compose(
    text: dict[str, object],
    vision: dict[str, object] | None = None,
    qformer: dict[str, object] | None = None,
    *,
    image_token: int | None,
) -> InstructBlipConfig:
    """Compose a configuration of three parts; absent ones have the paper's sizes."""
    vision = dict(vision or InstructBlipVisionConfig().to_dict())
    vision |= {"initializer_range": VISION_INITIALIZER_RANGE}
    vision |= {"model_type": InstructBlipVisionConfig.model_type}
    qformer = dict(qformer or InstructBlipQFormerConfig(vocab_size=QFORMER_VOCABULARY).to_dict())
    qformer |= {"model_type": InstructBlipQFormerConfig.model_type}
    qformer.pop("use_qformer_text_input", None)
    return InstructBlipConfig(
        vision_config=vision,
        qformer_config=qformer,
        text_config=text,
        image_token_index=image_token,
    )
