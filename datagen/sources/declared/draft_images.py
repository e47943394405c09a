"""Images and videos in a draft of a source file: which column names them, and where they lie."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from datagen.errors import OptionError, RowRejectedError
from datagen.sources.declared.draft_look import IMAGE_NAME, Look
from datagen.sources.declared.encoded import decode_image_text
from datagen.sources.declared.paths import fill_pattern
from datagen.sources.declared.row import Value

_IN_TEXT = re.compile(r"<img>(.+?)</img>")
_VIDEO_NAME = re.compile(r".+\.(mp4|m4v|mkv|webm|avi|mov|mpe?g|wmv|flv)", re.IGNORECASE)
_URL = re.compile(r"https?://", re.IGNORECASE)


def guess_image(look: Look, columns: dict[str, Any], found: dict[str, Any]) -> None:
    """Guess the column of the image or video, and where the files lie.

    Raises:
        OptionError: nothing looks like either.
    """
    if look.data_files[0].format in ("class_folders", "imagefolder"):
        columns["image"] = "image"
        return
    candidates = [c for c in look.columns if are_images(look.values(c))]
    column = look.named("image", _may_be_images)
    if not candidates and _guess_video(look, columns, found):
        return
    if column is None or column in columns.values():
        column = candidates[0] if candidates else None
    if column is None and _guess_shown_in_text(look, columns, found):
        return
    if column is None and _guess_named_after(look, columns, found):
        return
    if column is None or column in columns.values():
        raise OptionError(
            f"no column of {', '.join(look.paths)} looks like an image; the columns are "
            f"{', '.join(map(repr, look.columns))}. Begin where the images lie in a folder beside the data, or "
            "write `images: {pattern: ...}` by hand if they are named after a number"
        )
    columns["image"] = column
    names = [name for value in look.values(column) for name in names_in(value)]
    embedded = len(names)
    names = [name for name in names if not _is_embedded(name)]
    if len(names) < embedded:  # images in base64, of which the rest are other rows' ids
        ids = look.named("id")
        known = set() if ids is None else {str(each) for each in look.values(ids)}
        if names and 2 * sum(name in known for name in names) >= len(names):
            found["images"] = {"same_as": ids}
            look.remarks["images"] = (
                f"does an image that is a value of {ids} mean that row's image?"
            )
        elif names:
            look.remarks["images"] = f"most images are base64; what is {names[0]!r:.80}?"
        return
    if names and all(re.search(r"#\d+$", name) for name in names):
        columns["image"] = f"split({column}, '#')[0]"
        names = [name.rpartition("#")[0] for name in names]
    if not names:
        return
    if any(_URL.match(name) for name in names):
        look.remarks["images"] = "images given by URLs are not read: download them first"
        return
    images: dict[str, Any] = {}
    if any("\\" in name for name in names):
        images["separators"] = "windows"
        names = [name.replace("\\", "/") for name in names]
    absolute = [name for name in names if name.startswith("/") or re.match(r"[A-Za-z]:/", name)]
    if absolute:
        images |= _replaced(look, absolute)
    elif all(not os.path.splitext(name)[1] for name in names[:50]):
        pattern = _pattern(look, column, names)
        if pattern is not None:
            images["pattern"] = pattern
            del columns["image"]
    else:
        root = root_of(look, names)
        repeat = 2 * len(set(names)) <= len(names)  # such as image.png in every folder
        pattern = _folder_of_row(look, column) if root is None or repeat else None
        if pattern is None and root is not None:
            pattern = _folder_of_split(look, column, root)
        if pattern is not None:
            images["pattern"] = pattern
        elif root is None:
            look.remarks["images"] = (
                f"none of the first images, such as {names[0]!r}, was found; where are they?"
            )
        elif root != ".":
            images["root"] = root
    num_without = len(look.rows) - len(look.values(column))
    if num_without > 0.05 * len(look.rows):
        look.remarks.setdefault(
            "images",
            f"{num_without:,} of {len(look.rows):,} rows have no image: missing_column: skip leaves them out",
        )
    if images:
        found["images"] = images


def _guess_video(look: Look, columns: dict[str, Any], found: dict[str, Any]) -> bool:
    """Guess the column of a video, with the columns of its begin and end."""
    named = [c for c in look.columns if _are_videos(look.values(c))]
    by_name = None if look.named("image", _may_be_images) else look.named("video")
    column = named[0] if named else by_name
    if column is None:
        return False
    columns["video"] = column
    columns |= {key: name for key in ("start", "end") if (name := look.named(key)) is not None}
    names = [name for value in look.values(column) for name in names_in(value)]
    videos: dict[str, Any] = {}
    if any("\\" in name for name in names):
        videos["separators"] = "windows"
        names = [name.replace("\\", "/") for name in names]
    pattern = None if named else _pattern(look, "video", names, _VIDEO_NAME)
    root = root_of(look, names)
    if pattern is not None:
        videos["pattern"] = pattern
    elif root is None:
        look.remarks["videos"] = (
            f"none of the first videos, such as {names[0]!r}, was found; where are they?"
        )
    elif root != ".":
        videos["root"] = root
    if videos:
        found["videos"] = videos
    return True


def _guess_named_after(look: Look, columns: Mapping[str, Any], found: dict[str, Any]) -> bool:
    """Guess a pattern for images that are named after the values of a column, whatever its name."""
    for column in look.columns:
        plain = [each for each in look.values(column) if isinstance(each, str | int)]
        values = list(dict.fromkeys(plain))[:20]
        names = [name for value in values for name in names_in(value)]
        if column in columns.values() or not names or len(values) < min(2, len(look.rows)):
            continue
        pattern = _pattern(look, column, names)
        if pattern is None:
            continue
        rows: list[Mapping[str, Any]] = [{column: value} for value in values]
        if 2 * _num_found(look, pattern, rows) >= len(rows):
            found["images"] = {"pattern": pattern}
            look.remarks["images"] = f"are images named after {column!r}?"
            return True
    return False


def _folder_of_row(look: Look, column: str) -> str | None:
    """Return a pattern for images that lie in a folder for each row, as those of ScienceQA."""
    ids = [c for c in ("__key__", look.named("id")) if c is not None and c in look.columns]
    split = look.named("split")
    rows = [{**row, "image": row.get(column)} for row in look.rows if row.get(column)][:20]
    belows = [f"{{{key}}}" for key in dict.fromkeys(ids)]
    belows += [] if split is None else [f"{{{split}}}/{each}" for each in belows]
    patterns = [
        f"{'' if folder == '.' else f'{folder}/'}{below}/{{image}}"
        for below in belows
        for folder in folders(look)
    ]
    counted = [(_num_found(look, each, rows), each) for each in patterns]
    best = max(counted, key=lambda each: each[0], default=(0, ""))
    return best[1] if 2 * best[0] >= len(rows) > 0 else None


def _folder_of_split(look: Look, column: str, root: str) -> str | None:
    """Return a pattern for images in a folder for each split, such as `train/png` beside `val/png`.

    The names in them may be the same, so that one folder for all would pair rows with wrong images.
    """
    key, groups = "split", {split: list[Value]() for split in look.split_of.values()}
    named = look.named("split")
    for name, split in look.split_of.items():
        groups[split] += look.rows_of.get(name, ())
    if not groups and named is not None and re.search(r"[.\[\]{}]", named) is None:
        key = named
        for row in look.rows:
            groups.setdefault(str(row.get(named)), []).append(row)
    parts = root.split("/")
    for place, part in enumerate(parts):
        if part not in groups or len(groups) < 2:
            continue
        pattern = "/".join([*parts[:place], f"{{{key}}}", *parts[place + 1 :], "{image}"])
        found = [
            [
                {key: group, "image": row[column]}
                for row in rows
                if isinstance(row.get(column), str)
            ][:20]
            for group, rows in groups.items()
        ]
        if all(2 * _num_found(look, pattern, rows) >= len(rows) for rows in found):
            return pattern
    return None


def _num_found(look: Look, pattern: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return for how many rows a pattern is the path of a file."""
    num = 0
    for row in rows:
        with suppress(RowRejectedError):
            num += os.path.isfile(os.path.join(look.folder, fill_pattern(pattern, row)))
    return num


def _guess_shown_in_text(look: Look, columns: Mapping[str, Any], found: dict[str, Any]) -> bool:
    """Guess images that stand as `<img>path</img>` in the turns, as Qwen-VL has them."""
    turns = columns.get("turns")
    if turns is None:
        return False
    content = look.roles.get("content", "value")
    texts = [
        turn.get(content)
        for each in look.values(turns)
        if isinstance(each, list)
        for turn in each
        if isinstance(turn, dict)
    ]
    names = [n for text in texts if isinstance(text, str) for n in _IN_TEXT.findall(text)]
    if not names:
        return False
    labelled = any("Picture " in str(text) for text in texts)
    root = root_of(look, names)
    found["images"] = {
        **({} if root in (None, ".") else {"root": root}),
        "marker": "Picture *: <img>{image}</img>" if labelled else "<img>{image}</img>",
    }
    return True


def _is_embedded(text: str) -> bool:
    try:
        return decode_image_text(text) is not None
    except RowRejectedError:
        return True


def names_in(value: Any) -> list[str]:
    """Return the texts in a value that may be paths: itself, those of a list, or the path of an object."""
    if isinstance(value, str):
        return [value.strip()]
    if isinstance(value, list):
        return [name for item in value for name in names_in(item)]
    if isinstance(value, dict) and not value.get("bytes") and isinstance(value.get("path"), str):
        return [str(value["path"])]
    return [str(value)] if isinstance(value, int) and not isinstance(value, bool) else []


def folders(look: Look) -> list[str]:
    """Return the folders at most three levels below that of the source file, those of the data first."""
    found = ["."]
    for level in range(3):
        for folder in [f for f in found if (f.count("/") + 1 if f != "." else 0) == level]:
            with os.scandir(os.path.join(look.folder, folder)) as entries:
                names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
            found += [name if folder == "." else f"{folder}/{name}" for name in names[:200]]
    beside = os.path.dirname(look.paths[0])  # the folder of the data comes first, and those in it
    return sorted(found, key=lambda each: not f"{each}/".startswith(f"{beside}/") if beside else 0)


def _hits(look: Look, folder: str, names: Sequence[str]) -> int:
    """Return how many of the first names are files below a folder."""
    return sum(os.path.isfile(os.path.join(look.folder, folder, n)) for n in names[:100])


def root_of(look: Look, names: Sequence[str]) -> str | None:
    """Return the folder below which most of the names are files."""
    counted = [(_hits(look, folder, names), folder) for folder in folders(look)]
    most = max(count for count, _ in counted)
    return next(folder for count, folder in counted if count == most) if most else None


def _replaced(look: Look, names: Sequence[str]) -> dict[str, Any]:
    """Return the beginning of other machines' paths and the folder that takes its place."""
    commonest = Counter(os.path.dirname(name) for name in names).most_common(1)[0][0]
    prefix, best = commonest, (0, "", "")
    while prefix and prefix != "/":
        rest = [name[len(prefix) + 1 :] for name in names if name.startswith(f"{prefix}/")]
        root = root_of(look, rest)
        if root is not None:
            best = max(best, (_hits(look, root, rest), prefix, root), key=lambda each: each[0])
        shorter = os.path.dirname(prefix)
        prefix = "" if shorter == prefix else shorter
    if best[0]:
        look.remarks["images"] = "paths of another machine: is this the same folder?"
        return {"root": best[2], "replace_prefix": {f"{best[1]}/": ""}}
    look.remarks["images"] = f"absolute paths such as {names[0]!r}: where are these images here?"
    return {"replace_prefix": {f"{commonest}/": ""}}


def _pattern(
    look: Look, column: str, names: Sequence[str], kind: re.Pattern[str] = IMAGE_NAME
) -> str | None:
    """Return a pattern of paths for files that are named after numbers or names without suffix."""
    if re.search(r"[.\[\]{}]", column):
        return None  # a pattern has bare names
    for folder in folders(look):
        place = os.path.join(look.folder, folder)
        with os.scandir(place) as entries:
            there = sorted(e.name for e in islice(entries, 5000) if kind.fullmatch(e.name))
        for name in names[:20]:
            for file in there:
                stem, suffix = os.path.splitext(file)
                match = re.fullmatch(rf"(.*?)(0*){re.escape(name)}", stem)
                if match is None or (match[1] and match[1][-1].isalnum()):
                    continue
                width = len(match[2]) + len(name)
                spec = f":0{width}d" if match[2] and name.isdigit() else ""
                prefix = "" if folder == "." else f"{folder}/"
                return f"{prefix}{match[1]}{{{column}{spec}}}{suffix}"
    return None


def _are_videos(values: Sequence[Any]) -> bool:
    names = [name for value in values[:100] for name in names_in(value)]
    return bool(names) and 2 * sum(bool(_VIDEO_NAME.fullmatch(n)) for n in names) >= len(names)


def are_images(values: Sequence[Any]) -> bool:
    """Return True if most values are names of image files, or some hold bytes."""
    names = [name for value in values[:100] for name in names_in(value)]
    found = sum(bool(IMAGE_NAME.fullmatch(name)) for name in names)
    has_bytes = any(isinstance(v, dict) and v.get("bytes") for v in values[:100])
    return has_bytes or (bool(names) and found >= 0.5 * len(names))


def _may_be_images(values: Sequence[Any]) -> bool:
    if not values:
        return False
    first = values[0]
    if isinstance(first, list):
        return not first or _may_be_images(first)
    return isinstance(first, str | dict | bytes) or (isinstance(first, int) and first is not True)
