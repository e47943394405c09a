"""The section `model` of a configuration: the model, its initial weights, and its trained parts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, model_validator

Size = Literal["flan_t5_xl", "flan_t5_xxl", "vicuna_7b", "vicuna_13b"]


class Options(BaseModel):
    """Frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FromInstructBlip(Options):
    """A released InstructBLIP: a folder in Hugging Face's layout, or its name on the Hub."""

    origin: Literal["instructblip"] = Field(alias="from")
    path: str


class FromBlip2(Options):
    """Hugging Face's BLIP-2 (stage 2) with the Q-Former's text branch of stage 1.

    `text_branch` is a `Blip2ForImageTextRetrieval` folder, which stage 2 lacks: text feed-forward
    layers and word embeddings. Its tokenizer is the Q-Former's. Only a Q-Former that reads no instruction
    does without.
    """

    origin: Literal["blip2"] = Field(alias="from")
    path: str
    text_branch: str | None = None


class FromLavis(Options):
    """LAVIS's files. Later ones overlay earlier ones: `vision`, `text_branch`, `path`.

    `path` is stage 2 of BLIP-2 or a trimmed InstructBLIP. `text_branch` is stage 1
    (`blip2_pretrained.pth`), needed unless `path` holds the text branch; `vision` is
    `eva_vit_g.pth`, needed unless another file holds the encoder. `language_model` and
    `qformer_tokenizer` are Hugging Face folders. `config` is an InstructBLIP `config.json` for other
    sizes than the paper's.
    """

    origin: Literal["lavis"] = Field(alias="from")
    path: Path
    text_branch: Path | None = None
    vision: Path | None = None
    language_model: str
    qformer_tokenizer: str
    config: Path | None = None


class FromNano(Options):
    """The miniature model that comes with this package, or one that `visinstruct nano` made.

    `captioned`: trained parts start from its captioning stage, as InstructBLIP starts from BLIP-2; else
    they are drawn from the run's seed. Of its query tokens the first `num_query_tokens` are taken.
    """

    origin: Literal["nano"] = Field(alias="from")
    path: Path | None = None
    captioned: bool = True
    num_query_tokens: int | None = Field(default=None, ge=1)


class FromRandom(Options):
    """Random weights, for benchmarks: of one of the paper's sizes, or of a `config.json`.

    `tokenizers` is a folder in InstructBLIP's layout; without it the miniature model's tokenizer
    stands in.
    """

    origin: Literal["random"] = Field(alias="from")
    size: Size | None = None
    config: Path | None = None
    tokenizers: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "FromRandom":
        if (self.size is None) == (self.config is None):
            raise ValueError("a random model needs either `size` or `config`")
        return self


Start = Annotated[
    FromInstructBlip | FromBlip2 | FromLavis | FromNano | FromRandom,
    Field(discriminator="origin"),
]


class FeatureCacheOptions(Options):
    """Folder of the cache of the frozen encoder's states of images, and its size in bytes."""

    folder: Path
    max_bytes: ByteSize = Field(default=ByteSize(100_000_000_000), gt=0)


class ModelOptions(Options):
    """The section `model` of a run's configuration.

    init                        what the run starts from
    qformer_instruction         whether the Q-Former reads the instruction (the paper's ablation)
    qformer_dropout             None: what the checkpoint's configuration says (0.1)
    lm_dropout                  dropout of the frozen language model while training; LAVIS has it on
                                for T5 by omission
    train_post_layernorm        LAVIS's `ln_vision`; part of the paper's count
    frozen_dtype                of the vision encoder and the language model; trained parts are fp32
    attention                   of all parts; eager and sdpa agree to rounding
    gradient_checkpointing      of Q-Former and language model: less memory, one more forward
    feature_cache               keep what the frozen encoder makes of an image (0.7 MB at the paper's
                                size); None: encode it every time
    max_instruction_tokens      of either tokenizer; longer instructions lose their beginning
    max_target_tokens           longer targets lose their end
    """

    init: Start
    qformer_instruction: bool = True
    qformer_dropout: float | None = Field(default=None, ge=0, lt=1)
    lm_dropout: bool = False
    train_post_layernorm: bool = True
    frozen_dtype: Literal["float32", "bfloat16"] = "float32"
    attention: Literal["eager", "sdpa", "flash_attention_2"] = "sdpa"
    gradient_checkpointing: bool = False
    feature_cache: FeatureCacheOptions | None = None
    max_instruction_tokens: int = Field(default=128, ge=1)
    max_target_tokens: int = Field(default=256, ge=1)

    @model_validator(mode="after")
    def _reads_with_a_text_branch(self) -> "ModelOptions":
        start = self.init
        if isinstance(start, FromBlip2) and start.text_branch is None and self.qformer_instruction:
            raise ValueError(
                "BLIP-2's stage 2 reads no instruction; name stage 1 as init.text_branch, or set "
                "qformer_instruction: false"
            )
        return self
