"""Training stream: sample k of a run, read by any process in any order.

Sample k is a function of the seed, the dataset, the templates and k, so that k is all the state there is:
any number of ranks and workers, and any of them started anew, makes the same sequence.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from datagen.dataset import open_dataset
from datagen.schema.record import Record
from datagen.shards import RowGroups
from datagen.stores.any_files import AnyFiles
from trainer.config.data import DataOptions
from trainer.data.order import sources
from trainer.data.order.place import Order, SourceRows
from trainer.data.order.sample import Place, Replacement, Sample
from trainer.data.order.sources import Part
from trainer.data.order.split_tree import Drift
from trainer.data.order.tree_search import Tree
from trainer.data.reading.images import Augmentation
from trainer.data.reading.node_cache import NodeCache, default_folder
from trainer.data.reading.record_images import RecordImages, UnreadableError
from trainer.data.reading.row_file import RowFile
from trainer.data.reading.rows import RowReader
from trainer.data.reading.texts import Texts, UnrenderableError, refuse_untrained, stored_sample
from trainer.errors import DataError

MAX_ATTEMPTS = 16
"""Rows that are tried in place of one whose image cannot be read."""


class _Sent(NamedTuple):
    """State that goes with a pickled stream: compared with what is opened, or spared from being computed again."""

    content_hash: str
    tree: Tree


class Stream:
    """The samples of a run. Pickled, it opens the dataset again and makes sure that it is the same.

    Examples:
        >>> stream = Stream.open(DataOptions(dataset="data/instruct"), seed=0)  # doctest: +SKIP
        >>> stream.sample(10_000_000).instruction  # doctest: +SKIP
        'Question: what colour is the bus? Short answer:'
    """

    def __init__(
        self,
        options: DataOptions,
        seed: int,
        *,
        hash_images: bool = False,
        files: AnyFiles | None = None,
        sent: "_Sent | None" = None,
    ) -> None:
        self.options = options
        self.seed = seed
        self._hash_images = hash_images
        self._files = files or AnyFiles()
        directory = options.dataset.rstrip("/")
        self.manifest = open_dataset(directory, self._files).manifest
        if sent and sent.content_hash != self.manifest.content_hash:
            raise DataError(f"{options.dataset} changed since the run started")
        self._texts = Texts(self.manifest, options)
        cache = NodeCache(options.cache_dir or default_folder(), options.cache_bytes)
        self._rows = RowReader(directory, self._files, cache, options.verify)
        self._images = RecordImages(options.image_roots, self._files)
        self._mixture_options = sources.mixture_options(self.manifest, options)
        self.mixture: Mapping[str, Part] = sources.parts(self.manifest, options)
        splits = {
            source: sources.trained_splits(self.manifest, self._mixture_options, source)
            for source in self.mixture
        }
        refuse_untrained(self.manifest, splits, options)
        self._blocks = {source: self._layout(source) for source in self.mixture}
        drawn = {
            source: SourceRows(part.probability, self._blocks[source].group_rows, part.reserved)
            for source, part in self.mixture.items()
        }
        self.order = Order(drawn, seed, options.render, sent and sent.tree)

    @classmethod
    def open(
        cls,
        options: DataOptions,
        seed: int,
        *,
        hash_images: bool = False,
        files: AnyFiles | None = None,
    ) -> "Stream":
        """Open a dataset; `hash_images` fills `Sample.image_hashes`.

        Raises:
            OutputError: there is no dataset, or it is of another version.
            DataError: it cannot be trained on as the options say.
        """
        return cls(options, seed, hash_images=hash_images, files=files)

    def __reduce__(self) -> tuple[Any, ...]:
        sent = _Sent(self.manifest.content_hash, self.order.tree)
        return _reopen, (self.options, self.seed, self._hash_images, self._files, sent)

    def sample(self, k: int) -> Sample:
        """Return sample `k` with its images, or another row of its source if it cannot be used.

        A row is replaced if its images cannot be read or none of its draws can be rendered.

        Raises:
            DataError: `MAX_ATTEMPTS` other rows cannot be used either, or a shard has changed.
        """
        replaced: list[Replacement] = []
        for attempt in range(MAX_ATTEMPTS + 1):
            place = self.order.place(k, attempt)
            rows, row = self._find(place)
            record = rows.record(row)
            try:
                sample = self._texts.sample(place, record)
                sample = replace(sample, replaced=(*replaced, *sample.replaced))
                return self._read(sample, record, rows, row, self.options.augmentation)
            except (UnreadableError, UnrenderableError) as error:
                replaced.append(Replacement(k, attempt, record.record_id, str(error)))
        raise _unusable(place, replaced)

    def samples(self, ks: Sequence[int]) -> list[Sample]:
        """`sample` of each of `ks`, read source by source and block by block."""
        first = {k: self.order.place(k) for k in ks}
        by_place = sorted(first, key=lambda k: (first[k].source, first[k].row))
        made = {k: self.sample(k) for k in by_place}
        return [made[k] for k in ks]

    def texts(self, ks: Sequence[int]) -> list[Sample]:
        """Return the samples without images, as they are if all images can be read."""
        return [self._text(k) for k in ks]

    def _text(self, k: int) -> Sample:
        replaced: list[Replacement] = []
        for attempt in range(MAX_ATTEMPTS + 1):
            place = self.order.place(k, attempt)
            record = self.record(place)
            try:
                sample = self._texts.sample(place, record)
                return replace(sample, replaced=(*replaced, *sample.replaced))
            except UnrenderableError as error:
                replaced.append(Replacement(k, attempt, record.record_id, str(error)))
        raise _unusable(place, replaced)

    def record(self, place: Place) -> Record:
        """The record at a place, without its images' bytes and what only scores need."""
        rows, row = self._find(place)
        return rows.record(row)

    def embedded_images(self, place: Place) -> list[memoryview | None]:
        """The bytes of the images at a place; None for those kept by reference."""
        rows, row = self._find(place)
        return rows.images(row)

    def image_file(self, path: str) -> str | None:
        """Return the file of an image kept by reference, None where `image_roots` name none."""
        return self._images.locate(path)

    def worst_drift(self, prefix: int = 100_000) -> Drift:
        """Return the proven bound on a source's distance from its share, in samples."""
        return self.order.drift(prefix)

    def identity(self) -> dict[str, Any]:
        """Return all that the sequence of samples depends on, as JSON: equal identities give equal sequences."""
        return {
            "seed": self.seed,
            "content_hash": self.manifest.content_hash,
            "template_hash": self._texts.hash,
            "render": self.options.render,
            "mixture": {source: part.probability for source, part in self.mixture.items()},
            "splits": {s: list(self._mixture_options.trained_splits(s)) for s in self.mixture},
            "reserved": {source: part.reserved for source, part in self.mixture.items()},
            "tree": repr(self.order.tree),
        }

    def num_validation_rows(self, source: str) -> int:
        """Return how many rows there are to validate a source on: those of its split, or else reserved ones."""
        shards = sources.validation_shards(self.manifest, self._mixture_options, source)
        return sum(shard.rows for shard in shards) or self.mixture[source].reserved

    def validation_samples(self, source: str, count: int) -> list[Sample]:
        """The first rows of a source's validation split, with the texts that the build stored.

        Where it has no such split they are of its reserved rows: never rows that are trained on, fewer
        than `count` if there are no more. Rows without target or readable image are passed over, the
        latter named in the next sample's `replaced`. The samples' places have `k` = -1.

        Raises:
            DataError: the source is not trained on.
        """
        if source not in self.mixture:
            raise DataError(f"{source!r} is not trained on, but only {', '.join(self.mixture)}")
        shards = sources.validation_shards(self.manifest, self._mixture_options, source)
        if any(shard.rows for shard in shards):
            blocks = self._rows.layout(shards)
            rows = range(blocks.num_rows)
        else:
            blocks = self._blocks[source]
            rows = range(blocks.num_rows - self.mixture[source].reserved, blocks.num_rows)
        samples: list[Sample] = []
        replaced: list[Replacement] = []
        for number in rows:
            if len(samples) == count:
                break
            block, row = blocks.locate(number)
            file = self._rows.rows_of(block)
            record = file.record(row)
            if not record.target:
                continue
            place = Place(-1, source, len(samples), 0, number, 0, 0)
            sample = replace(stored_sample(place, record), replaced=tuple(replaced))
            try:
                samples.append(self._read(sample, record, file, row, "none"))
                replaced.clear()
            except UnreadableError as error:
                replaced.append(Replacement(-1, 0, record.record_id, str(error)))
        return samples

    def _layout(self, source: str) -> RowGroups:
        return self._rows.layout(
            sources.trained_shards(self.manifest, self._mixture_options, source)
        )

    def _find(self, place: Place) -> tuple[RowFile, int]:
        block, row = self._blocks[place.source].locate(place.row)
        return self._rows.rows_of(block), row

    def _read(
        self, sample: Sample, record: Record, rows: RowFile, row: int, how: Augmentation
    ) -> Sample:
        """`sample` with the images of its record."""
        from trainer.data.reading.resize import prepare  # torch comes with the first image

        images, hashes = self._images.read(record, rows.images(row), self._hash_images)
        pixels = prepare(images, self.options.image_side, how, sample.place.chance)
        return replace(sample, images=pixels, image_hashes=hashes)


def _reopen(
    options: DataOptions, seed: int, hash_images: bool, files: AnyFiles, sent: _Sent
) -> Stream:
    return Stream(options, seed, hash_images=hash_images, files=files, sent=sent)


def _unusable(place: Place, replaced: Sequence[Replacement]) -> DataError:
    first, last = replaced[0], replaced[-1]
    return DataError(
        f"sample {place.k} of {place.source}: {len(replaced)} rows in turn cannot be used, from "
        f"{first.record_id} ({first.reason}) to {last.record_id} ({last.reason}); check "
        "data.image_roots, the disk that the images are on, and data.template_dir"
    )
