"""Web CapFilt: images of web pages with captions that BLIP wrote or filtered.

Li et al., "BLIP", ICML 2022. Home: https://github.com/salesforce/BLIP.

Files, in `RAW/web_capfilt/`, any of these, the first that is there is read:

- `lavis`: `annotation.json`, as LAVIS reads it: a path and a caption a row;
- BLIP's own lists of an address and a caption a row, each a layout of its own:
  `ccs_{synthetic_filtered_large,synthetic_filtered,filtered}.json` (CC3M, CC12M and SBU), then
  `laion_{..}.json` (LAION). The size that the paper gives, 14M, fits the first family.

Images are not released: `visinstruct fetch-images` downloads them from their addresses. The place of an image follows
from its address alone. It lies at `RAW/images/web_capfilt/<hh>/<h>.jpg`, whatever its format, where
`h` is the first 32 hexadecimal digits of the SHA-256 of the address (its UTF-8 bytes, just as the row
gives it) and `hh` the first two of them. With LAVIS's file the rows give the paths.

| field | from |
|---|---|
| example_id | row number |
| captions | `caption` |
| images | `url`, as above, or `image` |
| group_id | `h` of the address, or `image` |

Counts: 13,873,136 rows in LAVIS's `annotation.json`. Many addresses are dead by now: up to half of the
records may lack their image before a build fails.
"""

from collections.abc import Iterator

from msgspec import Struct

from datagen.media.web_names import hashed_path, url_hash
from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, required_text
from datagen.text import clean_line


class WebCaption(Struct, gc=False):
    url: str
    caption: str


class LavisCaption(Struct, gc=False):
    image: str
    caption: str


def _example(context: RowContext, path: str, name: str, caption: str) -> Example:
    return Example(
        example_id=context.example_id(context.row_number),
        source=context.source,
        split=context.split,
        task="caption",
        group_id=f"web_capfilt:{name}",
        images=(f"web_capfilt/{path}",),
        captions=(required_text(clean_line(caption), "caption"),),
    )


def web(row: WebCaption, context: RowContext) -> Iterator[Example]:
    required_text(row.url.strip(), "url")
    name = url_hash(row.url)
    yield _example(context, hashed_path(name), name, row.caption)


def lavis(row: LavisCaption, context: RowContext) -> Iterator[Example]:
    yield _example(context, row.image, row.image, row.caption)


WEB_FILES = tuple(
    f"{family}_{kind}"
    for family in ("ccs", "laion")
    for kind in ("synthetic_filtered_large", "synthetic_filtered", "filtered")
)
"""BLIP's lists, less the `.json`; the one that is preferred comes first."""

SPLITS = (
    SplitFiles("train", Rows("annotation.json", LavisCaption), lavis, layout_name="lavis"),
    *(
        SplitFiles("train", Rows(f"{name}.json", WebCaption), web, layout_name=name)
        for name in WEB_FILES
    ),
)

_DOWNLOADS = "https://storage.googleapis.com/sfr-vision-language-research/BLIP/datasets/"
_README = "salesforce/BLIP README"

CARD = SourceCard(
    id="web_capfilt",
    task="caption",
    category="image captioning",
    held_in=True,
    folder="web_capfilt",
    splits={
        "train": SplitCard(
            used_in_paper=True,
            counts={
                "capfilt14m": unverified(
                    13_873_136, "LAVIS projects/xinstruct_blip image_train.yaml"
                )
            },
            note="images are fetched by `visinstruct fetch-images` to <hh>/<h>.jpg, where h is the first 32 "
            "hexadecimal digits of the address's SHA-256 and hh the first two of them",
        ),
    },
    files=(
        FileCard(name="annotation.json", splits=("train",), layout_name="lavis"),
        *(
            FileCard(
                name=f"{name}.json",
                splits=("train",),
                layout_name=name,
                download=unverified(f"{_DOWNLOADS}{name}.json", _README),
            )
            for name in WEB_FILES
        ),
    ),
    media=(MediaCard(kind="images", collection="web_capfilt"),),
    home=unverified("https://github.com/salesforce/BLIP", _README),
    media_licence=unverified("rights of each web page"),
    citation=unverified(
        "Li, Li, Xiong, Hoi. BLIP: Bootstrapping Language-Image Pre-training for Unified "
        "Vision-Language Understanding and Generation. ICML 2022."
    ),
    max_missing_media=0.5,
)

SOURCE = Source(CARD, SPLITS)
