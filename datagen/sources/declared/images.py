"""Images and videos of a declared source: from a row's value to a media path of the source's collection.

A media path is `<source>/<path below the root>`; images that are no files of their own are put into the
source's pack. Whether an image can be decoded is looked at later, where the build checks all media.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from datagen.errors import Reason, RowRejectedError
from datagen.files import Files
from datagen.media.media import MediaRoots
from datagen.media.pack import ImagePack
from datagen.schema.adapter import Filtered
from datagen.sources.declared.archives import Archives
from datagen.sources.declared.definition import Definition, MediaPaths, media_folder
from datagen.sources.declared.encoded import decode_image_text
from datagen.sources.declared.paths import Names, PathRules, fill_pattern, is_blank, shown
from datagen.sources.declared.row import Place, Problem, Value

MAX_REMEMBERED = 8_192
MAX_REFERENCE_CHARS = 64
"""Longer text is no id of a row."""
NO_IMAGE = "the row names no image"
NAME_DIFFERS = "name_differs"
"""The reason of a warning: the file that is used has a name in another case or normal form."""

Report = Callable[[Problem], None]


class ImageFinder:
    """Finds the images and videos that rows of one source name, in the order of the rows.

    `pack` receives the bytes of images that are no files of their own; without one they are rejected.
    `report` receives warnings about files that are used under another name.
    """

    def __init__(
        self,
        definition: Definition,
        files: Files,
        pack: BinaryIO | ImagePack | None = None,
        report: Report = lambda problem: None,
    ) -> None:
        self.definition, self.report = definition, report
        self.pack = pack if pack is None or isinstance(pack, ImagePack) else ImagePack(pack)
        root = media_folder(definition, definition.images)
        self._images = _Folder("images", definition.name, definition.images, root, files)
        root = media_folder(definition, definition.videos)
        self._videos = _Folder("videos", definition.name, definition.videos, root, files)
        self._archives = Archives(self._images.roots)
        self._of_rows: dict[str, str] = {}
        rules = definition.images
        self._are_plain = (rules.pattern, rules.member, rules.same_as) == (None, None, None)
        """A path alone decides about its image, so that one found before need not be looked at again."""

    def find_all(
        self, values: Sequence[Any], columns: Value, place: Place | None = None
    ) -> list[str] | Filtered:
        """Return the media paths of a row's images, as `images.several` and `missing_column` say.

        Args:
            values: Each a path, base64 text, bytes, or a mapping with `bytes`, `path` or both.
            columns: The row, for patterns.
            place: The row's place, for warnings.

        Raises:
            RowRejectedError: one of them cannot be used.
        """
        if self._are_plain and len(values) == 1 and type(values[0]) is str:
            known = self._images.known.get(values[0])
            if known is not None:
                return [known]
        rules = self.definition.images
        values = [each for value in values for each in (_items(value))]
        if rules.pattern is not None and (not values or all(map(is_blank, values))):
            values = [None]  # the pattern's columns name the image
        elif all(map(is_blank, values)):
            return self._without_image()
        if len(values) > 1 and rules.several == "reject":
            raise RowRejectedError(
                Reason.INCONSISTENT_ROW,
                f"the row has {len(values)} images, one is allowed; images: {{several: keep}} keeps "
                "all of them, first takes the first",
            )
        if rules.several == "first":
            values = values[:1]
        found = []
        for number, value in enumerate(values, 1):
            try:
                found.append(self.find(value, columns, place))
            except RowRejectedError as error:
                if error.reason is Reason.NO_IMAGE and len(values) == 1:
                    if rules.missing_column == "skip":
                        return Filtered("no image")
                    raise
                which = f"image {number} of {len(values)}: " if len(values) > 1 else ""
                raise RowRejectedError(error.reason, f"{which}{error.message}") from None
        if rules.same_as is not None and not is_blank(columns.get(rules.same_as)):
            self._of_rows.setdefault(_key(columns[rules.same_as]), found[0])
        return found

    def find(self, value: Any, columns: Value, place: Place | None = None) -> str:
        """Return the media path of one image.

        Raises:
            RowRejectedError: it cannot be used; the message says why, and what to do.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            return self._packed(bytes(value), None)
        if isinstance(value, Mapping):
            return self._of_mapping(value, columns, place)
        rules = self.definition.images
        if rules.same_as is not None and not is_blank(value):
            known = self._of_rows.get(_key(value))
            if known is not None:
                return known
        if isinstance(value, str):
            data = decode_image_text(value)
            if data is not None:
                return self._packed(data, None)
        if rules.pattern is not None:
            named = columns if is_blank(value) else {**columns, "image": value}
            value = fill_pattern(rules.pattern, named)
        text = self._text(value)
        if rules.member is not None:
            return self._member(text, columns)
        if rules.same_as is not None and not _is_path(text):
            raise RowRejectedError(
                Reason.INCONSISTENT_ROW,
                f"{shown(text)} is neither an image nor the {rules.same_as} of an earlier row with an image",
            )
        return self._images.find(text, self._warner(place))

    def find_video(
        self, value: Any, columns: Value | None = None, place: Place | None = None
    ) -> str:
        """Return the media path of a video.

        Raises:
            RowRejectedError: the row names none, or its path cannot be used.
        """
        pattern = self.definition.videos.pattern
        if pattern is not None and columns is not None:
            named = {} if is_blank(value) else {"video": value}
            value = fill_pattern(pattern, {**columns, **named})
        if is_blank(value):
            raise RowRejectedError(Reason.NO_IMAGE, "the row names no video")
        if not isinstance(value, str):
            raise RowRejectedError(
                Reason.MALFORMED_ROW, f"its video is {shown(value)}, a path is expected"
            )
        return self._videos.find(value, self._warner(place))

    def close(self) -> None:
        """Close the archives that are open."""
        self._archives.close()

    def _without_image(self) -> Filtered:
        if self.definition.images.missing_column == "skip":
            return Filtered("no image")
        column = self.definition.columns.image
        where = f" (columns: {{image: {column}}})" if column else ""
        raise RowRejectedError(
            Reason.NO_IMAGE,
            f"{NO_IMAGE}{where}; with images: {{missing_column: skip}} such rows are left out",
        )

    def _text(self, value: Any) -> str:
        if is_blank(value):
            raise RowRejectedError(Reason.NO_IMAGE, NO_IMAGE)
        if isinstance(value, str):
            return value
        raise RowRejectedError(
            Reason.MALFORMED_ROW,
            f"its image is {shown(value)}, a path is expected; images: {{pattern: '{{image}}.jpg'}} makes "
            "one of a number",
        )

    def _of_mapping(self, value: Mapping[str, Any], columns: Value, place: Place | None) -> str:
        """Return the path of an image as `datasets` keeps it: its bytes, its path, or both."""
        data, path = value.get("bytes"), value.get("path")
        if is_blank(data) and is_blank(path):
            if "bytes" in value or "path" in value or not value:
                raise RowRejectedError(Reason.NO_IMAGE, NO_IMAGE)
            raise RowRejectedError(
                Reason.MALFORMED_ROW,
                f"its image has the keys {', '.join(map(str, value))}, and neither bytes nor path: name the "
                "one that is the path in columns, as in {image: image.url}",
            )
        if data is None or data == "":
            return self.find(path, columns, place)
        if isinstance(data, str):
            decoded = decode_image_text(data)
            if decoded is None:
                raise RowRejectedError(
                    Reason.MEDIA_UNREADABLE,
                    f"its bytes are {shown(data)}, which is no image in base64",
                )
            data = decoded
        if not isinstance(data, bytes):
            raise RowRejectedError(Reason.MALFORMED_ROW, f"its bytes are {shown(data)}")
        return self._packed(data, path if isinstance(path, str) else None)

    def _member(self, text: str, columns: Value) -> str:
        pattern = self.definition.images.member
        assert pattern is not None
        archive = self._images.rules.relative(fill_pattern(pattern, columns))
        path = f"{self.definition.name}/{archive}"
        return self._packed(self._archives.read(path, text.strip()), text)

    def _packed(self, data: bytes, name: str | None) -> str:
        if self.pack is None:
            raise RowRejectedError(
                Reason.MEDIA_UNREADABLE,
                "the image is no file of its own, and nothing keeps its bytes",
            )
        return f"{self.definition.name}/{self.pack.add(data, name)}"

    def _warner(self, place: Place | None) -> Callable[[str], None]:
        where = place or Place(file="")
        return lambda message: self.report(Problem(where, "warn", NAME_DIFFERS, message))


class _Folder:
    """The files of a source below one root."""

    def __init__(self, key: str, name: str, paths: MediaPaths, root: str, files: Files) -> None:
        self.name, self.root = name, root
        self.roots = MediaRoots({name: root}, files)
        self.rules = PathRules(key, paths, root)
        self._names = Names(root)
        self._local = "://" not in root
        self.known: dict[str, str] = {}
        """Media paths by what rows wrote, of the last few thousand."""

    def find(self, text: str, warn: Callable[[str], None]) -> str:
        """Return the media path that a row's text names.

        A file that is missing is left to the build, which notices when it comes.

        Raises:
            RowRejectedError: the path is unsafe.
        """
        known = self.known.get(text)
        if known is None:
            known = self._find(text, warn)
            if len(self.known) >= MAX_REMEMBERED:
                self.known.clear()
            self.known[text] = known
        return known

    def _find(self, text: str, warn: Callable[[str], None]) -> str:
        relative = self.rules.relative(text)
        path = f"{self.name}/{relative}"
        if not self._local or os.path.lexists(f"{self.root}/{relative}"):
            return path
        stripped = text.strip()
        if stripped != text:
            return self._find(stripped, warn)
        similar = self._names.similar(relative)
        if len(similar) == 1:
            warn(f"{relative!r} is not there; {similar[0]!r} is used, which is the only file of that name "
                 "in another case or Unicode form")  # fmt: skip
            return f"{self.name}/{similar[0]}"
        if similar:
            warn(
                f"{relative!r} is not there, and several files differ from it in case alone: "
                f"{', '.join(similar)}; none of them is used"
            )
        return path


def _items(value: Any) -> Sequence[Any]:
    """Return the items of a list of images, which may stand for one image."""
    return value if isinstance(value, list | tuple) else (value,)


def _is_path(text: str) -> bool:
    return "/" in text or "." in text


def _key(value: Any) -> str:
    """Return an id as text: 7, 7.0 and "7" are one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()[: MAX_REFERENCE_CHARS + 1]
