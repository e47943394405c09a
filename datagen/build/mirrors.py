"""Mirrors in a build: found, checked, and put into its options."""

from collections.abc import Callable

from datagen.build.options import BuildOptions
from datagen.errors import OptionError
from datagen.files import Files
from datagen.sources import load_source
from datagen.sources.mirrors.find import find_mirrors
from datagen.sources.mirrors.mirror import read_mirror


def with_mirrors(
    options: BuildOptions,
    files: Files,
    say: Callable[[str], None] = lambda sentence: None,
    *,
    download: bool = True,
) -> BuildOptions:
    """Return the options of a build from the Hub with the mirrors that were found.

    `say` receives a sentence for each: the repository, its revision, and what it lacks. Without `download`,
    what is not on this machine is not fetched.

    Raises:
        OptionError: a source has no mirror, or its images have no folder.
        RawDataError: a mirror is not here and cannot be downloaded, or its columns changed.
    """
    names = options.sources if options.hub_sources is None else options.hub_sources
    for source in names or ():
        _check_images(source, options)
    found = find_mirrors(names, options.splits, options.raw, files, say, download=download)
    for mirrored in found:
        _check_images(mirrored.name, options)
    sources = {each.name for each in found}
    if options.hub_sources is not None:  # the others are the publishers'
        sources = sources | set(options.sources) if options.sources else set()
    return options.model_copy(update={"mirrors": found, "sources": tuple(sorted(sources)) or None})


def _check_images(source: str, options: BuildOptions) -> None:
    """Refuse a mirror without images where nothing says in which folder they are.

    Raises:
        OptionError: names the collection, and where its images can be had.
    """
    mirror = read_mirror(source)
    if mirror.pictures == "embedded" or options.raw is not None:
        return
    for media in load_source(source).card.media:
        if media.collection not in options.image_roots:
            raise OptionError(
                f"the mirror {mirror.repository} of {source} has no images; give their folder: --image-root "
                f"{media.collection}=DIR, or --raw DIR with DIR/images/{media.collection} "
                f"({media.download.value})"
            )
