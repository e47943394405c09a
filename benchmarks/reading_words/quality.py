"""Words that were read, compared with those that were drawn."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KINDS = ("sample", "covers")


def compare(source: str, read: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the numbers of images, and by kind those of words drawn, read, and both; case does not count."""
    drawn = json.loads(Path(source, "words.json").read_text())
    report: dict[str, Any] = {"images": len(read)}
    for kind in KINDS:
        names = [each for each in drawn if each.startswith("cover") == (kind == "covers")]
        both = total_drawn = total_read = 0
        for name in names:
            wanted = Counter(word.lower() for word in drawn[name])
            found = Counter(word.lower() for word in read.get(name, ()))
            both += (wanted & found).total()
            total_drawn += wanted.total()
            total_read += found.total()
        report[kind] = {"drawn": total_drawn, "read": total_read, "both": both}
    return report
