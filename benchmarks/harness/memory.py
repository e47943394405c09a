"""The memory of processes, as Linux counts it."""

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LINE = re.compile(r"^(Rss|Private_(?:Clean|Dirty|Hugetlb)): +(\d+) kB$", re.MULTILINE)


class Memory(NamedTuple):
    """Bytes that are resident, pages shared with others included, and those of this process alone."""

    resident: int
    private: int


def memory(process: int | str = "self") -> Memory:
    """Of one process; nothing of one that has ended."""
    resident = private = 0
    with suppress(OSError):
        for name, kilobytes in _LINE.findall(Path(f"/proc/{process}/smaps_rollup").read_text()):
            if name == "Rss":
                resident += 1024 * int(kilobytes)
            else:
                private += 1024 * int(kilobytes)
    return Memory(resident, private)


def tree_memory(root: int) -> Memory:
    """Of a process and all below it; a page that several share is resident in each."""
    parts = [memory(process) for process in _tree(root)]
    return Memory(sum(part.resident for part in parts), sum(part.private for part in parts))


def _tree(root: int) -> set[int]:
    """The process and all that descend from it."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            after_name = (folder / "stat").read_text().rpartition(")")[2]
            parents[int(folder.name)] = int(after_name.split()[1])
    tree, found = set(), {root}
    while found:
        tree |= found
        found = {child for child, parent in parents.items() if parent in found}
    return tree
