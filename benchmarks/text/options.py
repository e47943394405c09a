"""Options of all text builds."""

from datagen.build.options import BuildOptions, make_options

SOURCE = "vqav2"


def text_options(source: str, output: str) -> BuildOptions:
    """VQAv2's training questions; there are no images, so their references are kept."""
    return make_options(
        raw=source,
        out=f"{output}/dataset",
        sources=(SOURCE,),
        splits=("train",),
        missing_images="keep",
    )
