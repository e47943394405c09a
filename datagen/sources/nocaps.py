"""NoCaps: captions of Open Images images, many of objects that COCO's captions never name.

Agrawal et al., "nocaps: novel object captioning at scale", ICCV 2019. Home: https://nocaps.org.

Files, in `RAW/nocaps/`: `nocaps_val_4500_captions.json`, in the layout of COCO's captions, and
`nocaps_test_image_info.json`, the images of test, whose captions are hidden. The older
`nocaps_val_image_info.json` lists val's images without captions and domains; nothing can be scored
with it, so it is not read. Images: `RAW/images/nocaps/{val,test}/`.

One record is one image with all its captions.

| field | from |
|---|---|
| example_id | `images[].id` |
| captions | `annotations[].caption`, in the order of the file |
| images | `file_name` |
| group_id | `open_images_id`, or the name of the file without its suffix |
| tags | `domain`: in-domain, near-domain or out-domain |

Counts: val 4,500 images with ten captions each, test 10,600 images.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Lookup, Outcome, RowContext, Rows, Source, SplitFiles
from datagen.schema.card import (
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
    verified,
)
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line


class Image(Struct, gc=False):
    id: int
    file_name: str
    open_images_id: str | None = None
    domain: str | None = None


class Caption(Struct, gc=False):
    caption: str


def examples(row: Image, context: RowContext) -> Iterator[Outcome]:
    captions = None
    if not context.hidden_answers:
        found: list[Caption] = list(context.many("captions"))
        if not found:
            raise RowRejectedError(Reason.NO_ANSWERS, f"image {row.id} has no captions")
        captions = tuple([required_text(clean_line(each.caption), "caption") for each in found])
    name = row.open_images_id or PurePosixPath(row.file_name).stem
    yield Example(
        example_id=context.example_id(row.id),
        source=context.source,
        split=context.split,
        task="caption",
        group_id=f"openimages:{name}",
        images=(f"nocaps/{context.split}/{row.file_name}",),
        captions=captions,
        tags=present(domain=clean_line(row.domain or "")),
    )


_VAL_FILE = "nocaps_val_4500_captions.json"
_TEST_FILE = "nocaps_test_image_info.json"

SPLITS = (
    SplitFiles(
        "val",
        Rows(_VAL_FILE, Image, path=("images",)),
        examples,
        lookups={
            "captions": Lookup(
                _VAL_FILE,
                Caption,
                path=("annotations",),
                key="image_id",
                by="id",
                many=True,
                orphans=Reason.INCONSISTENT_ROW,
            )
        },
    ),
    SplitFiles("test", Rows(_TEST_FILE, Image, path=("images",)), examples, hidden_answers=True),
)

_DOWNLOADS = "https://nocaps.s3.amazonaws.com/"

CARD = SourceCard(
    id="nocaps",
    task="caption",
    category="image captioning",
    held_in=False,
    folder="nocaps",
    splits={
        "val": SplitCard(
            used_in_paper=True,
            counts={"0.2": verified(4_500, "nocaps_val_image_info.json")},
            note="the paper evaluates on the whole of val",
        ),
        "test": SplitCard(used_in_paper=False, counts={"0.2": unverified(10_600)}),
    },
    files=(
        FileCard(
            name=_VAL_FILE,
            splits=("val",),
            download=unverified(
                f"{_DOWNLOADS}{_VAL_FILE}",
                "LAVIS lavis/projects/instructblip/caption_nocaps_*.yaml",
            ),
        ),
        FileCard(
            name=_TEST_FILE,
            splits=("test",),
            download=unverified(
                f"https://s3.amazonaws.com/nocaps/{_TEST_FILE}",
                "google-research/big_vision nocaps.py",
            ),
        ),
    ),
    media=(
        MediaCard(
            kind="images",
            collection="nocaps",
            download=unverified(
                "https://s3.amazonaws.com/nocaps/val/{file_name}", "nocaps_val_image_info.json"
            ),
        ),
    ),
    home=verified("http://nocaps.org", "nocaps_val_image_info.json"),
    media_licence=verified("CC BY 2.0", "nocaps_val_image_info.json"),
    citation=unverified(
        "Agrawal, Desai, Wang, Chen, Jain, Johnson, Batra, Parikh, Lee, Anderson. nocaps: novel "
        "object captioning at scale. ICCV 2019."
    ),
)

SOURCE = Source(CARD, SPLITS)
