"""Compiles a mirror to the `Source` that the build knows: the card of the publisher's, and normal rows."""

from datagen.schema.adapter import Rows, Source, SplitFiles
from datagen.sources import load_source
from datagen.sources.declared.compile import normal_file
from datagen.sources.declared.normal import NormalRow, origin, outcomes
from datagen.sources.mirrors.mirror import Mirrored
from datagen.sources.mirrors.rows import layout_of

LAYOUT_NAME = "hub"


def compile_mirror(mirrored: Mirrored) -> Source:
    """Return the source whose splits are read from a mirror."""
    splits = tuple(
        SplitFiles(
            split,
            Rows(normal_file(mirrored.definition, split), NormalRow, kind="lines", origin=origin),
            outcomes,
            hidden_answers=layout_of(mirrored, split).hidden_answers,
            layout_name=LAYOUT_NAME,
        )
        for split in mirrored.splits
    )
    return Source(load_source(mirrored.name).card, splits, in_staging=True)
