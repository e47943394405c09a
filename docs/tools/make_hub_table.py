"""Writes the tables of docs/how_to/from_the_hub.md: the mirrors on the Hub, as their files say.

python docs/tools/make_hub_table.py
"""

from collections.abc import Iterator
from pathlib import Path

from datagen.sources.mirrors.mirror import Mirror, mirror_ids, read_mirror, reasons

PAGE = Path(__file__).parents[1] / "how_to" / "from_the_hub.md"
START, END = (
    "<!-- mirrors: written by docs/tools/make_hub_table.py -->\n",
    "<!-- end of mirrors -->\n",
)


def table() -> str:
    """Return the tables of the mirrors, and of the sources without one."""
    return "".join(f"{line}\n" for line in _lines())


def page_text(text: str) -> str:
    """Return the page with the tables in their place."""
    before, _, rest = text.partition(START)
    return f"{before}{START}{table()}{END}{rest.partition(END)[2]}"


def _lines() -> Iterator[str]:
    yield "| source | repository | revision | splits | images | lacks |"
    yield "|---|---|---|---|---|---|"
    for source in mirror_ids():
        mirror = read_mirror(source)
        images = "in the rows" if mirror.pictures == "embedded" else "apart"
        cells = (
            f"`{source}`",
            mirror.repository,
            _revision(mirror),
            ", ".join(mirror.splits),
            images,
            "; ".join(mirror.lacks) or "-",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "| source | why there is no mirror |"
    yield "|---|---|"
    for source, why in reasons().items():
        yield f"| `{source}` | {why} |"


def _revision(mirror: Mirror) -> str:
    if mirror.revision:
        return f"`{mirror.revision[:7]}`"
    return f"that of the day (seen: `{mirror.seen}`)" if mirror.seen else "that of the day"


if __name__ == "__main__":
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
