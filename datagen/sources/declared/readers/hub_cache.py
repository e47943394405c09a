"""Repositories of the Hugging Face Hub on this machine: its cache, filled by downloads."""

import os
import re
from collections.abc import Callable, Sequence
from glob import glob
from typing import NamedTuple, cast

COMMIT = re.compile(r"[0-9a-f]{40}")
_SHARD = re.compile(r"(.*-)(\d{5})-of-(\d{5})(\..*)?")
_METADATA = os.path.join(".cache", "huggingface", "download", "**", "*.metadata")

Wanted = Callable[[str], Sequence[str]]
"""Patterns of the files that are needed, from the folder of a copy that holds README.md alone."""


class UnreachableError(Exception):
    """A repository that is neither on this machine nor can be downloaded."""


class Snapshot(NamedTuple):
    """A folder with files of a repository, and the commit that they are of, None if it is not known.

    `offline` says why the Hub could not be asked, so that what the cache has is used.
    """

    folder: str
    commit: str | None
    offline: str | None = None


def snapshot(repo: str, revision: str | None, wanted: Wanted, *, download: bool = True) -> Snapshot:
    """Return a repository's files from the Hub's cache, after downloading what it lacks.

    If the Hub cannot be reached, the commit that the cache has for a branch or tag is used, if it is whole. A
    commit that is whole in the cache is used without asking the Hub. Without `download`, the Hub is not asked.

    Raises:
        UnreachableError: they are not in the cache, and cannot be downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if revision is not None and COMMIT.fullmatch(revision):
        folder = cached(repo, revision)
        patterns = [] if folder is None else wanted(folder)
        if folder is not None and not any(map(_is_any, patterns)) and not lacking(folder, patterns):
            return Snapshot(folder, revision)
    try:
        if not download:
            raise _OfflineError("nothing is downloaded now")
        _ask(repo, revision)
    except _OfflineError as error:
        folder = cached(repo, revision)
        if folder is None:
            raise UnreachableError(str(error)) from None
        absent = lacking(folder, wanted(folder))
        if absent:
            raise UnreachableError(f"{error}; the cache lacks {', '.join(absent[:3])}") from None
        return Snapshot(folder, os.path.basename(folder), str(error) if download else None)

    def downloaded(patterns: Sequence[str]) -> str:
        return snapshot_download(
            repo, repo_type="dataset", revision=revision, allow_patterns=list(patterns)
        )

    try:
        folder = downloaded(wanted(downloaded(["README.md"])))
        return Snapshot(folder, os.path.basename(folder))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise UnreachableError(first_line(error)) from None


def copied_commit(folder: str) -> str | None:
    """Return the commit that a local copy was downloaded at, as `hf download --local-dir` notes it."""
    for path in sorted(glob(os.path.join(folder, _METADATA), recursive=True)):
        with open(path, encoding="utf-8") as file:
            commit = file.readline().strip()
        if COMMIT.fullmatch(commit):
            return commit
    return None


def lacking(folder: str, patterns: Sequence[str]) -> list[str]:
    """Return the patterns that match no file of a folder, and the shards that are missing beside others.

    Patterns of whole folders, such as `data/*`, need no match.
    """
    absent = []
    for pattern in patterns:
        found = glob(os.path.join(folder, pattern), recursive=True)
        if not found and not _is_any(pattern):
            absent.append(pattern)
        names = {os.path.relpath(each, folder) for each in found}
        for before, _, count, after in {
            each.groups() for name in names if (each := _SHARD.fullmatch(name))
        }:
            shards = (f"{before}{n:05d}-of-{count}{after or ''}" for n in range(int(count)))
            absent += [each for each in shards if each not in names]
    return list(dict.fromkeys(absent))


def _is_any(pattern: str) -> bool:
    return pattern.rpartition("/")[2] == "*"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type's name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class _OfflineError(Exception):
    pass


def _ask(repo: str, revision: str | None) -> None:
    """Ask the Hub for a repository at a revision.

    Raises:
        _OfflineError: the Hub cannot be reached, or does not answer now.
        UnreachableError: it has no such repository or revision, or does not give it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # The HTTP client changes between versions, and its errors are not the Hub's.
    client_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    try:
        HfApi().repo_info(repo, repo_type="dataset", revision=revision, timeout=20)
    except HfHubHTTPError as error:
        status = error.response.status_code
        kind = _OfflineError if status >= 500 or status == 429 else UnreachableError
        raise kind(first_line(error)) from None
    except HFValidationError as error:
        raise UnreachableError(first_line(error)) from None
    except (client_error, OSError) as error:
        raise _OfflineError(first_line(error)) from None


def cached(repo: str, revision: str | None) -> str | None:
    """Return the folder that the cache has for a revision, None if it has none.

    `huggingface_hub` finds a folder only if it holds all files of the repository, and here some are enough.
    """
    from huggingface_hub import constants

    folder = os.path.join(constants.HF_HUB_CACHE, f"datasets--{repo.replace('/', '--')}")
    commit = revision or "main"
    reference = os.path.join(folder, "refs", commit)
    if os.path.isfile(reference):
        with open(reference, encoding="utf-8") as file:
            commit = file.read().strip()
    found = os.path.join(folder, "snapshots", commit)
    return found if os.path.isdir(found) else None
