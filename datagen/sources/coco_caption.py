"""COCO Caption: five or more human captions an image.

Chen et al., "Microsoft COCO Captions", 2015; splits of Karpathy and Fei-Fei, 2015.

Files, in `RAW/coco_caption/`, any of three layouts, the first complete one is read:

- `karpathy`: `dataset_coco.json`; its `restval` images belong to train;
- `lavis`: `coco_karpathy_{train,val,test}.json`, the same splits as LAVIS and BLIP distribute them;
- `captions_2014`: COCO's own `captions_{train,val}2014.json`, which is another split of the images.

Images: `RAW/images/coco/{train2014,val2014}/`.

In train one record is one caption (`sentid`, annotation id, or row number as its id); in val and test
one record is one image with all its captions (COCO image id).

| field | from |
|---|---|
| captions | `sentences[].raw`, or `caption` |
| images | `filepath` and `filename`, or `image`, or `file_name` |
| group_id | the image's COCO id, in the file name |

Counts: Karpathy train 566,747 captions of 113,287 images, val and test 5,000 images each.
"""

from collections.abc import Iterator

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Lookup, Outcome, Rejected, RowContext, Rows, Source, SplitFiles
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified, verified
from datagen.schema.example import Example, required_text
from datagen.sources.shared.coco import coco_id, slashes
from datagen.text import clean_line


class Sentence(Struct, gc=False):
    raw: str
    sentid: int


class KarpathyImage(Struct, gc=False):
    filename: str
    cocoid: int
    split: str
    sentences: list[Sentence]
    filepath: str = ""


class LavisCaption(Struct, gc=False):
    image: str
    caption: str


class LavisImage(Struct, gc=False):
    image: str
    caption: list[str]


class Image(Struct, gc=False):
    id: int
    file_name: str


class Caption(Struct, gc=False):
    id: int
    image_id: int
    caption: str


def _example(
    context: RowContext, native_id: object, path: str, image_id: int, captions: list[str]
) -> Example:
    return Example(
        example_id=context.example_id(native_id),
        source=context.source,
        split=context.split,
        task="caption",
        group_id=f"coco:{image_id}",
        images=(f"coco/{path}",),
        captions=tuple([required_text(clean_line(caption), "caption") for caption in captions]),
    )


def _captions(
    context: RowContext, path: str, image_id: int, captions: list[tuple[object, str]]
) -> Iterator[Outcome]:
    """One example a caption in train, one an image elsewhere."""
    if not captions:
        raise RowRejectedError(Reason.NO_ANSWERS, f"image {image_id} has no captions")
    if context.split != "train":
        yield _example(context, image_id, path, image_id, [text for _, text in captions])
        return
    for native_id, text in captions:
        try:
            yield _example(context, native_id, path, image_id, [text])
        except RowRejectedError as error:
            yield Rejected(error.reason, f"caption {native_id}: {error.message}")


def karpathy(row: KarpathyImage, context: RowContext) -> Iterator[Outcome]:
    path = f"{row.filepath}/{row.filename}"
    yield from _captions(context, path, row.cocoid, [(s.sentid, s.raw) for s in row.sentences])


def lavis_train(row: LavisCaption, context: RowContext) -> Iterator[Outcome]:
    path = slashes(row.image)
    yield _example(context, context.row_number, path, coco_id(path), [row.caption])


def lavis_evaluation(row: LavisImage, context: RowContext) -> Iterator[Outcome]:
    captions: list[tuple[object, str]] = [(None, text) for text in row.caption]
    path = slashes(row.image)
    yield from _captions(context, path, coco_id(path), captions)


def captions_2014_train(row: Caption, context: RowContext) -> Iterator[Outcome]:
    image: Image = context.one("images", Reason.INCONSISTENT_ROW)
    path = f"train2014/{image.file_name}"
    yield _example(context, row.id, path, row.image_id, [row.caption])


def captions_2014_val(row: Image, context: RowContext) -> Iterator[Outcome]:
    captions = [(each.id, each.caption) for each in context.many("captions")]
    yield from _captions(context, f"val2014/{row.file_name}", row.id, captions)


def _karpathy_split(row: KarpathyImage) -> str | None:
    return {"train": "train", "restval": "train", "val": "val", "test": "test"}.get(row.split)


SPLITS = (
    *(
        SplitFiles(
            split,
            Rows("dataset_coco.json", KarpathyImage, path=("images",), split_of=_karpathy_split),
            karpathy,
            layout_name="karpathy",
        )
        for split in ("train", "val", "test")
    ),
    SplitFiles(
        "train", Rows("coco_karpathy_train.json", LavisCaption), lavis_train, layout_name="lavis"
    ),
    *(
        SplitFiles(
            split,
            Rows(f"coco_karpathy_{split}.json", LavisImage),
            lavis_evaluation,
            layout_name="lavis",
        )
        for split in ("val", "test")
    ),
    SplitFiles(
        "train",
        Rows("captions_train2014.json", Caption, path=("annotations",)),
        captions_2014_train,
        lookups={
            "images": Lookup(
                "captions_train2014.json", Image, path=("images",), key="id", by="image_id"
            )
        },
        layout_name="captions_2014",
    ),
    SplitFiles(
        "val",
        Rows("captions_val2014.json", Image, path=("images",)),
        captions_2014_val,
        lookups={
            "captions": Lookup(
                "captions_val2014.json",
                Caption,
                path=("annotations",),
                key="image_id",
                by="id",
                many=True,
                orphans=Reason.INCONSISTENT_ROW,
            )
        },
        layout_name="captions_2014",
    ),
)

_LAVIS = "https://storage.googleapis.com/sfr-vision-language-research/datasets/"
_KARPATHY = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
_COCO = "http://images.cocodataset.org/annotations/annotations_trainval2014.zip"
_LAVIS_CONFIG = "LAVIS lavis/configs/datasets/coco/defaults_cap.yaml"

CARD = SourceCard(
    id="coco_caption",
    task="caption",
    category="image captioning",
    held_in=True,
    folder="coco_caption",
    splits={
        "train": SplitCard(
            used_in_paper=True,
            counts={
                "karpathy": unverified(566_747, "LAVIS projects/xinstruct_blip image_train.yaml"),
                "captions_2014": unverified(414_113),
            },
            note="counts captions; Karpathy's train and restval, 113,287 images",
        ),
        "val": SplitCard(
            used_in_paper=True,
            counts={
                "karpathy": verified(5_000, "coco_karpathy_val.json"),
                "captions_2014": unverified(40_504),
            },
            note="counts images; ten images of Karpathy's val have six captions",
        ),
        "test": SplitCard(used_in_paper=True, counts={"karpathy": unverified(5_000)}),
    },
    files=(
        FileCard(
            name="dataset_coco.json",
            splits=("train", "val", "test"),
            layout_name="karpathy",
            download=unverified(_KARPATHY),
        ),
        *(
            FileCard(
                name=f"coco_karpathy_{split}.json",
                splits=(split,),
                layout_name="lavis",
                download=unverified(f"{_LAVIS}coco_karpathy_{split}.json", _LAVIS_CONFIG),
            )
            for split in ("train", "val", "test")
        ),
        *(
            FileCard(
                name=f"captions_{split}2014.json",
                splits=(split,),
                layout_name="captions_2014",
                download=unverified(_COCO),
            )
            for split in ("train", "val")
        ),
    ),
    media=(
        MediaCard(
            kind="images",
            collection="coco",
            download=unverified("http://images.cocodataset.org/zips/{train2014,val2014}.zip"),
        ),
    ),
    home=unverified("https://cocodataset.org"),
    licence=unverified("CC BY 4.0"),
    media_licence=unverified("Flickr terms, per image"),
    non_commercial=unverified(False),
    citation=unverified(
        "Chen, Fang, Lin, Vedantam, Gupta, Dollar, Zitnick. Microsoft COCO Captions: Data Collection "
        "and Evaluation Server. arXiv 1504.00325, 2015."
    ),
)

SOURCE = Source(CARD, SPLITS)
