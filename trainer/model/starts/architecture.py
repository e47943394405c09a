"""The sizes of a model, known without its weights: for the plan, the tokenizers and the counts.

The paper's four models differ in their language model alone: EVA-CLIP ViT-g/14 without its last block,
a BERT-base Q-Former with cross-attention in every second layer, 32 queries.
"""

from pathlib import Path
from typing import Any, cast

from transformers import (
    AutoConfig,
    Blip2Config,
    InstructBlipConfig,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    T5Config,
)

from trainer.config.model import (
    FromBlip2,
    FromInstructBlip,
    FromLavis,
    FromNano,
    FromRandom,
    ModelOptions,
    Size,
)
from trainer.errors import ModelError
from trainer.model.parts import qformer_part, text_part, vision_part
from trainer.model.starts.folders import model_folder
from trainer.model.starts.nano import nano_files

QFORMER_VOCABULARY = 30523
"""That of bert-base-uncased and `[DEC]`, which LAVIS added in stage 1."""

VISION_INITIALIZER_RANGE = 0.02
"""Transformers' default is 1e-10: an encoder made from a configuration alone would see nothing."""

_WIDTHS: dict[Size, tuple[int, int, int, int]] = {  # width, feed-forward, layers, heads
    "flan_t5_xl": (2048, 5120, 24, 32),
    "flan_t5_xxl": (4096, 10240, 24, 64),
    "vicuna_7b": (4096, 11008, 32, 32),
    "vicuna_13b": (5120, 13824, 40, 40),
}


def model_config(options: ModelOptions) -> InstructBlipConfig:
    """The configuration of the model that `options` describe.

    Raises:
        ModelError: a folder or file is missing or holds another kind of model.
    """
    config = _start_config(options)
    if (kind := text_part(config).model_type) not in ("t5", "llama"):
        raise ModelError(f"the language model is a {kind}; t5 and llama are supported")
    if options.qformer_dropout is not None:
        qformer = qformer_part(config)
        qformer.hidden_dropout_prob = options.qformer_dropout
        qformer.attention_probs_dropout_prob = options.qformer_dropout
    return config


def paper_config(size: Size) -> InstructBlipConfig:
    """One of the paper's four models."""
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
    return _compose(text.to_dict(), image_token=image_token)


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
    """An InstructBLIP `config.json`."""
    if not path.is_file():
        raise ModelError(f"no such file: {path}")
    try:
        read = InstructBlipConfig.get_config_dict(path)[0]
        if read.get("model_type") not in ("instructblip", "instructblipvideo"):
            raise ModelError(f"{path} describes a {read.get('model_type')}, not an instructblip")
        return InstructBlipConfig.from_dict(read | {"model_type": "instructblip"})
    except (OSError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error


def _start_config(options: ModelOptions) -> InstructBlipConfig:
    match options.init:
        case FromInstructBlip(path=path):
            return read_config(model_folder(path) / "config.json")
        case FromBlip2(path=path, text_branch=text_branch):
            stage2 = model_folder(path)
            return _blip2_config(stage2, model_folder(text_branch) if text_branch else stage2)
        case FromLavis() as start:
            return _lavis_config(start)
        case FromNano(path=folder, num_query_tokens=num_query_tokens):
            config = read_config(nano_files(folder) / "config.json")
            config.num_query_tokens = num_query_tokens or config.num_query_tokens
            return config
        case FromRandom(size=size, config=path):
            if size is not None:
                return paper_config(size)
            assert path is not None  # the options have one of the two
            return read_config(path)


def _blip2_config(folder: Path, text_branch: Path) -> InstructBlipConfig:
    stage2, stage1 = (Blip2Config.from_pretrained(place) for place in (folder, text_branch))
    if (queries := (stage2.num_query_tokens, stage1.num_query_tokens))[0] != queries[1]:
        raise ModelError(f"{folder} has {queries[0]} query tokens, {text_branch} has {queries[1]}")
    config = _compose(
        cast(Any, stage2.text_config).to_dict(),
        vision=cast(Any, stage2.vision_config).to_dict(),
        qformer=cast(Any, stage1.qformer_config).to_dict(),
        image_token=stage2.image_token_index,
    )
    config.num_query_tokens = stage2.num_query_tokens
    return config


def _lavis_config(start: FromLavis) -> InstructBlipConfig:
    text = AutoConfig.from_pretrained(model_folder(start.language_model)).to_dict()
    if text.get("is_encoder_decoder"):
        text["dense_act_fn"] = "gelu"  # LAVIS overrides T5's gelu_new
        text.setdefault("decoder_start_token_id", text.get("pad_token_id", 0))
    if start.config is None:
        return _compose(text, image_token=None)
    shape = read_config(start.config)
    config = _compose(
        text, vision_part(shape).to_dict(), qformer_part(shape).to_dict(), image_token=None
    )
    config.num_query_tokens = shape.num_query_tokens
    return config


def _compose(
    text: dict[str, object],
    vision: dict[str, object] | None = None,
    qformer: dict[str, object] | None = None,
    *,
    image_token: int | None,
) -> InstructBlipConfig:
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
