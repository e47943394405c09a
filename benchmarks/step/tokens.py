"""Tokenizers of bytes: they encode any text, and its length in tokens is known."""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import InstructBlipConfig, PreTrainedTokenizerFast

from trainer.model.parts import is_encoder_decoder
from trainer.model.tokens import Tokenizers

PAD, EOS, BOS, UNK, CLS, SEP = SPECIAL = ("<pad>", "</s>", "<s>", "<unk>", "[CLS]", "[SEP]")


@dataclass(frozen=True)
class Lengths:
    """Tokens of an instruction, special ones included, and of a target with its end token."""

    instruction: int
    target: int

    def __str__(self) -> str:
        return f"{self.instruction}+{self.target}"

    @classmethod
    def parse(cls, text: str) -> "Lengths":
        instruction, _, target = text.partition("+")
        return cls(int(instruction), int(target))


def byte_tokenizer(*, for_qformer: bool) -> PreTrainedTokenizerFast:
    """262 tokens; the Q-Former's adds `[CLS]` and `[SEP]`, the other one nothing."""
    vocabulary = [*SPECIAL, *sorted(ByteLevel.alphabet())]
    raw = Tokenizer(BPE({token: number for number, token in enumerate(vocabulary)}, []))
    raw.pre_tokenizer = ByteLevel(add_prefix_space=False)
    raw.decoder = ByteLevelDecoder()
    if for_qformer:
        ends = [(token, vocabulary.index(token)) for token in (CLS, SEP)]
        raw.post_processor = TemplateProcessing(single=f"{CLS} $A {SEP}", special_tokens=ends)
    made: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, pad_token=PAD, eos_token=EOS, bos_token=BOS, unk_token=UNK
    )
    return made


def byte_tokenizers(config: InstructBlipConfig, lengths: Lengths) -> Tokenizers:
    """For a model of this configuration; longer texts are cut to `lengths`."""
    language, qformer = (byte_tokenizer(for_qformer=which) for which in (False, True))
    encoder_decoder = is_encoder_decoder(config)
    image_token = config.image_token_index
    assert image_token is not None, "the configuration names no image token"
    return Tokenizers(
        qformer=qformer,
        language=language,
        qformer_pad=0,
        pad=0,
        bos=None if encoder_decoder else SPECIAL.index(BOS),
        eos=SPECIAL.index(EOS),
        image_token=image_token,
        num_query_tokens=config.num_query_tokens,
        is_encoder_decoder=encoder_decoder,
        max_instruction_tokens=lengths.instruction,
        max_target_tokens=lengths.target,
    )


def save_tokenizers(folder: Path) -> None:
    """In InstructBLIP's layout."""
    byte_tokenizer(for_qformer=False).save_pretrained(folder)
    byte_tokenizer(for_qformer=True).save_pretrained(folder / "qformer_tokenizer")
