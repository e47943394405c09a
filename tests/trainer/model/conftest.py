from collections.abc import Callable

import pytest
import torch

from trainer.model.batch import IGNORED, Batch
from trainer.model.tokens import Tokenizers

TEXTS = [("what is it?", "a cat"), ("name the colour of the car", "red"), ("count", "two of them")]


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    return batch_of


def batch_of(
    tokenizers: Tokenizers,
    texts: list[tuple[str, str]] | None = None,
    num_frames: int = 1,
    side: int = 28,
    seed: int = 0,
) -> Batch:
    """A batch put together by hand, of random images."""
    texts = TEXTS if texts is None else texts
    generator = torch.Generator().manual_seed(seed)
    shape = (len(texts) * num_frames, 3, side, side)
    placeholders = num_frames * tokenizers.num_query_tokens
    image = [tokenizers.image_token] * placeholders
    start = [] if tokenizers.bos is None else [tokenizers.bos]
    inputs, labels = [], []
    for instruction, target in texts:
        text_ids = tokenizers.language(instruction, add_special_tokens=False).input_ids
        answer = [*tokenizers.language(target, add_special_tokens=False).input_ids, tokenizers.eos]
        if tokenizers.is_encoder_decoder:
            inputs.append(image + text_ids + [tokenizers.eos])
            labels.append(answer)
        else:
            prompt = image + start + text_ids
            inputs.append(prompt + answer)
            labels.append([IGNORED] * len(prompt) + answer)
    qformer = [tokenizers.qformer(instruction).input_ids for instruction, _ in texts]
    batch = Batch(
        pixels=torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8),
        qformer_ids=padded(qformer, tokenizers.qformer_pad),
        qformer_mask=padded([[1] * len(ids) for ids in qformer], 0),
        input_ids=padded(inputs, tokenizers.pad),
        attention_mask=padded([[1] * len(ids) for ids in inputs], 0),
        labels=padded(labels, IGNORED),
        ks=torch.arange(len(texts)),
        num_frames=num_frames,
        num_placeholders=placeholders,
        sources=("vqav2",) * len(texts),
        record_ids=tuple(f"vqav2/train/{i}" for i in range(len(texts))),
    )
    batch.check(tokenizers.image_token)
    return batch


def padded(rows: list[list[int]], value: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])
