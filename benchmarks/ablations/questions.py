"""Records of validation splits as requests to the nano model, and its share of exact answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

import torch

from datagen.dataset import BuiltDataset
from datagen.schema.record import Record
from trainer.batches.collate import Collator
from trainer.data.order.sample import Place, Sample
from trainer.data.reading.images import decode
from trainer.data.reading.resize import prepare
from trainer.model.model import Model

_BATCH = 64
_MOST_REFERENCES = 10


@dataclass(frozen=True)
class Request:
    """A record with its image: `sample` carries the instruction, `answers` are all that count as right."""

    sample: Sample
    answers: tuple[str, ...]
    question: str
    image_path: str


def read_requests(
    dataset: BuiltDataset, source: str, split: str, most: int, side: int
) -> list[Request]:
    """Return the first `most` records of a split that have an image and an answer."""
    found: list[Request] = []
    for record in dataset.records(source, split):
        if len(found) == most:
            break
        if record.target is not None and record.images:
            found.append(_request(record, side))
    return found


def _request(record: Record, side: int) -> Request:
    assert record.images and record.target is not None
    [image] = record.images[:1]
    assert image.bytes is not None, "built with --images embed"
    sample = Sample(
        place=Place(-1, record.source, 0, 0, 0, 0, 0),
        record_id=record.record_id,
        group_id=record.group_id,
        template_id=record.template_id,
        instruction=record.instruction,
        target=record.target,
        images=prepare([decode(image.bytes)], side),
    )
    answers = dict.fromkeys([record.target, *(record.references or ())])
    question = record.question or record.statement or ""
    return Request(sample, tuple(answers)[:_MOST_REFERENCES], question, image.path)


def with_other_images(requests: Sequence[Request], seed: int) -> list[Request]:
    """Return the same questions, each with the image of another."""
    images = [each.sample.images for each in requests]
    Random(seed).shuffle(images)
    return [
        replace(each, sample=_with_image(each.sample, image))
        for each, image in zip(requests, images, strict=True)
    ]


def _with_image(sample: Sample, images: object) -> Sample:
    from msgspec.structs import replace as replaced

    return replaced(sample, images=images)


@torch.no_grad()
def exact(model: Model, collator: Collator, requests: Sequence[Request]) -> list[bool]:
    """Of each question whether greedy decoding would give one of its answers, word for word.

    Each answer is put to the model as a target; greedy decoding gives at most one of them.
    """
    from msgspec.structs import replace as replaced

    model.eval()
    tried = [
        (number, replaced(each.sample, target=answer))
        for number, each in enumerate(requests)
        for answer in each.answers
    ]
    tried.sort(key=lambda pair: len(pair[1].instruction) + len(pair[1].target))
    right = [False] * len(requests)
    for start in range(0, len(tried), _BATCH):
        some = tried[start : start + _BATCH]
        correct = model.correct(collator([sample for _, sample in some]))
        for (number, _), good in zip(some, correct.tolist(), strict=True):
            right[number] = right[number] or good
    return right


def share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)


def majority(requests: Sequence[Request]) -> float:
    """Return the score of answering every question with the most common answer of these questions."""
    counts = Counter(chain.from_iterable({a.lower() for a in each.answers} for each in requests))
    return max(counts.values()) / len(requests)
