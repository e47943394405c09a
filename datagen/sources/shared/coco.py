"""Image ids of COCO, read from file names."""

import re

from datagen.errors import Reason, RowRejectedError

COCO_ID = re.compile(r"(?:^|_|\w/)(\d{12})\.jpe?g$", re.IGNORECASE)


def slashes(path: str) -> str:
    r"""Return a path as POSIX writes it; lists made on Windows have `\\` between folders."""
    return path.replace("\\", "/")


def coco_id(path: str) -> int:
    """The image's id, which COCO writes as twelve digits at the end of the file name."""
    match = COCO_ID.search(path)
    if match is None:
        raise RowRejectedError(Reason.MALFORMED_ROW, f"no COCO image id in {path!r}")
    return int(match[1])
