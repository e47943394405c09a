"""Downloads: where a source's files are had, with sizes and hashes as far as they are known.

The facts are in `datagen/sources/downloads.yaml`, by raw folder and name; a test compares them with the cards.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz")
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Access(StrEnum):
    """What it takes to download something."""

    OPEN = "open"  # a plain address
    FORM = "form"
    LOGIN = "login"
    PASSWORD = "password"  # noqa: S105  a kind of access
    DRIVE = "drive"  # Google Drive or Mega, which are no plain servers
    EACH_ADDRESS = "each_address"  # no archive: each image has its own address


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OtherSum(_Frozen):
    """Another sha256 that somebody gives for a file of this name."""

    sha256: Sha256
    read_in: tuple[str, ...] = Field(min_length=1)


class Download(_Frozen):
    """A file of a publisher: its address and, as far as it is known, its size and hash.

    Attributes:
        folder: Folder below the raw folder, such as `vqav2` or `images/coco`.
        name: Name under which it is downloaded there; may lie in a folder.
        url: Address of a plain download; only `access: open` has one.
        page: Page for people: where it is had, or described.
        num_bytes: Exact size (`bytes` in the file); `about_bytes` is rounded. None is not known.
        brings: Names of the card's files that it is or holds, below `folder`.
        images_of: Source folder -> splits whose images or videos it holds.
        fills: Folder below `folder` that its images make up; where one lies already, it is left alone.
        strip: First folder inside the archive, which is left out.
        only: Pattern of the members that are unpacked.
        flat: Whether members are unpacked without their folders.
        read_in: Names of the origins of all of this.
        origin: The first of them, in words; the list fills it in.
    """

    folder: str
    name: str
    url: str | None = Field(default=None, pattern="^https?://")
    access: Access = Access.OPEN
    page: str | None = Field(default=None, pattern="^https?://")
    num_bytes: int | None = Field(default=None, alias="bytes", gt=0)
    about_bytes: int | None = Field(default=None, gt=0)
    sha256: Sha256 | None = None
    verified: bool = False
    differs: OtherSum | None = None
    brings: tuple[str, ...] = ()
    images_of: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    fills: str | None = None
    strip: str | None = None
    only: str | None = None
    flat: bool = False
    note: str | None = None
    read_in: tuple[str, ...] = Field(min_length=1)
    origin: str = "the list of downloads"

    @property
    def is_archive(self) -> bool:
        return self.name.lower().endswith(ARCHIVE_SUFFIXES)

    @property
    def path(self) -> str:
        """Return its path below the raw folder, where it is downloaded to."""
        return f"{self.folder}/{self.name}"

    @property
    def by_hand(self) -> bool:
        return self.access is not Access.OPEN

    @model_validator(mode="after")
    def _is_whole(self) -> "Download":
        for path in (self.folder, self.name, *self.brings):
            parts = PurePosixPath(path).parts
            if not parts or parts[0] == "/" or ".." in parts or "\\" in path:
                raise ValueError(f"{path!r} is no path below a folder")
        if self.by_hand and (self.url or not self.page):
            raise ValueError(f"{self.path}: access {self.access} needs a page, and has no url")
        if not self.by_hand and not self.url:
            raise ValueError(f"{self.path}: access open needs a url")
        if not self.brings and not self.images_of:
            raise ValueError(f"{self.path} brings no file and no images")
        if not (self.by_hand or self.is_archive) and self.brings != (self.name,):
            raise ValueError(f"{self.path} is no archive, so it brings itself alone")
        if self.images_of and self.fills is None:
            raise ValueError(f"{self.path} holds images, but does not say which folder they fill")
        if self.num_bytes and self.about_bytes:
            raise ValueError(f"{self.path} has two sizes")
        if self.verified and not self.sha256:
            raise ValueError(f"{self.path} is verified, but has no sha256")
        return self


class DownloadList(_Frozen):
    """All downloads, by folder and name, and the places where the facts were read."""

    origins: Mapping[str, str]
    folders: Mapping[str, Mapping[str, Download]]

    @model_validator(mode="before")
    @classmethod
    def _names_are_keys(cls, data: object) -> object:
        """Give each download the folder and the name that are its keys, and its origin in words."""
        if not isinstance(data, dict) or not isinstance(data.get("folders"), dict):
            return data
        words = data.get("origins", {})
        folders: dict[str, dict[str, object]] = {}
        for folder, entries in data["folders"].items():
            folders[folder] = {}
            for name, entry in entries.items():
                filled = {**entry, "folder": folder, "name": name}
                if entry.get("read_in") and entry["read_in"][0] in words:
                    filled["origin"] = words[entry["read_in"][0]]
                folders[folder][name] = filled
        return {**data, "folders": folders}

    @model_validator(mode="after")
    def _names_its_origins(self) -> "DownloadList":
        for download in self.all():
            origins = {*download.read_in, *(download.differs.read_in if download.differs else ())}
            if unknown := sorted(origins - set(self.origins)):
                raise ValueError(f"{download.path}: no origin is named {', '.join(unknown)}")
        return self

    def all(self) -> tuple[Download, ...]:
        return tuple(each for folder in self.folders.values() for each in folder.values())
