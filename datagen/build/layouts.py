"""The layouts in which a split's files may lie, and files that are nearly those of one."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from datagen.files import Files
from datagen.raw.gather import raw_exists
from datagen.schema.adapter import Source

_LAYOUT = "(layout "

CLOSE = 0.8
"""Likeness of two file names, from 0 to 1, from which one is named as the nearest of the other."""

_LLAVA_MIX = (
    "all three parts in one file, without the part of each row; download the parts "
    "conversation_58k.json, detail_23k.json and complex_reasoning_77k.json"
)
LOOKALIKES: Mapping[str, Mapping[str, str]] = {
    "hateful_memes": {
        "dev.jsonl": "dev_seen.jsonl as the first release calls it; rename it",
        "test.jsonl": "test_seen.jsonl as the first release calls it; rename it",
    },
    "llava_instruct": {
        "llava_instruct_150k.json": _LLAVA_MIX,
        "llava_instruct_80k.json": _LLAVA_MIX,
        "llava_v1_5_mix665k.json": "LLaVA 1.5's mixture of many datasets; download the three parts",
    },
}
"""Other releases and copies, by folder and file name, and what to do about them."""


def layout_sentence(source: Source, split: str, raw: str, files: Files) -> str:
    """Name the missing files of each layout of a split, in one sentence."""
    return f"{split} lacks {alternatives(lacking(source, split, raw, files))}"


def lacking(source: Source, split: str, raw: str, files: Files) -> tuple[str, ...]:
    """Return the missing files of a split's only layout; of several layouts, a text about each."""
    folder = f"{raw}/{source.card.folder}"
    layouts = [layout for layout in source.splits if layout.split == split]
    absent = {
        layout.layout_name: [n for n in layout.files() if not raw_exists(files, f"{folder}/{n}")]
        for layout in layouts
    }
    if len(layouts) == 1:
        return tuple(absent[layouts[0].layout_name])
    return tuple(f"{', '.join(names)} {_LAYOUT}{layout})" for layout, names in absent.items())


def alternatives(lacks: Sequence[str]) -> str:
    """Join what `lacking` returned: files with commas, layouts with "or"."""
    return (", or " if any(_LAYOUT in each for each in lacks) else ", ").join(lacks)


def found_instead(source: Source, raw: str, files: Files) -> Iterator[str]:
    """Yield a sentence for each file in the source's folder that is nearly an expected one."""
    folder = f"{raw}/{source.card.folder}"
    expected = {n for each in source.splits for n in (*each.files(), *each.optional_files())}
    absent = sorted(name for name in expected if not raw_exists(files, f"{folder}/{name}"))
    known = LOOKALIKES.get(source.card.folder, {})
    for path in files.match(f"{folder}/*"):
        name = path.rpartition("/")[2]
        if name in expected:
            continue
        if name in known:
            yield f"{path} is {known[name]}"
            continue
        lowered = {each.lower(): each for each in absent}
        similar = get_close_matches(name.lower(), lowered, n=1, cutoff=CLOSE)
        if similar:
            yield f"{path} is not read; the nearest of the expected names is {lowered[similar[0]]}"
