"""Inputs of the contestants: two built datasets and two tokenizers, all made up, fixed seed."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from benchmarks.harness.generate import write_images, write_vqav2
from datagen.build.options import make_options
from trainer.config.data import DataOptions

IMAGES, TEXTS = "pictures", "texts"
SIDE = 224
BATCH = 32
QFORMER_TOKENIZER, LANGUAGE_TOKENIZER = "qformer.json", "language.json"
JPEG_QUALITY = 90
SHAPE = (480, 640)


def write_inputs(folder: Path, num_images: int, num_questions: int) -> dict[str, Any]:
    """Both datasets and the tokenizers in `folder`; returns facts of them."""
    raw = folder / "raw"
    write_images(raw, num_images, num_distinct=1)
    sizes = _overwrite_images(sorted((raw / "images").rglob("*.jpg")))
    write_vqav2(raw, num_questions)
    _build(raw, folder / IMAGES, sources=("coco_caption",), images="embed")
    _build(raw, folder / TEXTS, sources=("vqav2",), missing_images="keep")
    _write_tokenizers(folder)
    return {"image_bytes": sum(sizes) / len(sizes), "num_images": len(sizes)}


def _overwrite_images(paths: list[Path]) -> list[int]:
    """Images of coarse shapes under noise, as large as photographs: 64 different ones."""
    rng = np.random.default_rng(0)
    drawn = [_image(rng) for _ in range(64)]
    for number, path in enumerate(paths):
        path.write_bytes(drawn[number % len(drawn)])
    return [path.stat().st_size for path in paths]


def _image(rng: np.random.Generator) -> bytes:
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    shapes = Image.fromarray(coarse).resize(SHAPE[::-1], Image.Resampling.BICUBIC)
    noisy = np.asarray(shapes, dtype=float) + rng.normal(0, 9, (*SHAPE, 3))
    data = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(data, "JPEG", quality=JPEG_QUALITY)
    return data.getvalue()


def _build(raw: Path, out: Path, **changes: Any) -> None:
    from pipelines.build.beam_options import beam_options
    from pipelines.build.run import build

    options = make_options(raw=str(raw), out=str(out), splits=("train",), **changes)
    build(options, beam_options([], []), Console(file=io.StringIO()))


def _write_tokenizers(folder: Path) -> None:
    """One of BERT's kind and one of T5's, trained on the captions and questions."""
    wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    wordpiece.train_from_iterator(
        _lines(folder), trainers.WordPieceTrainer(vocab_size=30_000, special_tokens=special)
    )
    wordpiece.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(each, wordpiece.token_to_id(each)) for each in ("[CLS]", "[SEP]")],
    )
    wordpiece.save(str(folder / QFORMER_TOKENIZER))
    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.NFKC()
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.train_from_iterator(
        _lines(folder),
        trainers.UnigramTrainer(
            vocab_size=2_000, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
        ),
    )
    unigram.save(str(folder / LANGUAGE_TOKENIZER))


def _lines(folder: Path) -> Iterator[str]:
    rows = json.loads((folder / "raw/coco_caption/coco_karpathy_train.json").read_text())
    yield from (row["caption"] for row in rows)
    yield "Write a short sentence that says what can be seen: describe this picture. Answer the question"


def data_options(source: str, dataset: str, cache: str) -> DataOptions:
    """All rows are trained on."""
    return DataOptions(
        dataset=f"{source}/{dataset}", cache_dir=Path(cache), image_side=SIDE, reserve_rows=0
    )


def batches(total: int) -> Iterator[range]:
    """The numbers of `total` samples, `BATCH` at a time."""
    for start in range(0, total, BATCH):
        yield range(start, min(start + BATCH, total))
