"""Image ids of COCO, read from file names."""

import re

from datagen.errors import Reason, RowRejectedError

COCO_ID = re.compile(r"(?:^|_)(\d{12})\.jpg$")


def coco_id(path: str) -> int:
    """The image's id, which COCO writes as twelve digits at the end of the file name."""
    match = COCO_ID.search(path)
    if match is None:
        raise RowRejectedError(Reason.MALFORMED_ROW, f"no COCO image id in {path!r}")
    return int(match[1])
