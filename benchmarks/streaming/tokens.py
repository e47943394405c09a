"""The tokenizers of the contestants that make batches."""

from transformers import PreTrainedTokenizerFast

from benchmarks.streaming.inputs import LANGUAGE_TOKENIZER, QFORMER_TOKENIZER
from trainer.model.tokens import Tokenizers

NUM_QUERY_TOKENS = 32


def tokenizers(source: str) -> Tokenizers:
    """Both tokenizers as the collator takes them, as FlanT5 has them."""
    qformer = PreTrainedTokenizerFast(
        tokenizer_file=f"{source}/{QFORMER_TOKENIZER}", pad_token="[PAD]", unk_token="[UNK]"
    )
    language = PreTrainedTokenizerFast(
        tokenizer_file=f"{source}/{LANGUAGE_TOKENIZER}", pad_token="<pad>", eos_token="</s>"
    )
    return Tokenizers(
        qformer=qformer,
        language=language,
        qformer_pad=int(qformer.pad_token_id),
        pad=int(language.pad_token_id),
        bos=None,
        eos=int(language.eos_token_id),
        image_token=len(language),
        num_query_tokens=NUM_QUERY_TOKENS,
        is_encoder_decoder=True,
        max_instruction_tokens=128,
        max_target_tokens=256,
    )
