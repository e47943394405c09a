"""Checks of installed packages: against our bounds, against each other's, and known bad pairs."""

import platform
from collections.abc import Iterator, Sequence
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from pipelines.doctor.finding import Finding

OURS = "visinstruct"
CONFLICTS = (
    (
        "opencv-python",
        "opencv-python-headless",
        "both install the module cv2, one over the other",
        "pip uninstall opencv-python opencv-python-headless, then install one of them",
    ),
)
"""Pairs of packages that do not work together though no bound forbids it: why, and what to do."""


def check_packages(extras: Sequence[str] = ()) -> list[Finding]:
    """Return findings about installed packages; those of `extras` must be there, those of others may be."""
    try:
        ours = list(_requirements(OURS))
        needed = metadata.metadata(OURS)["Requires-Python"]
    except metadata.PackageNotFoundError:
        remedy = "pip install -e . in the checkout"
        return [Finding("packages", OURS, "warning", "it is not installed: no bounds", remedy)]
    findings = [*_python(needed), *_of_ours(ours, extras), *_of_theirs(ours), *_conflicts()]
    if not findings:
        number = sum(_version(each.name) is not None for each in ours)
        found = f"{number} installed packages are within their bounds"
        findings.append(Finding("packages", OURS, "ok", found))
    return findings


def _python(needed: str | None) -> Iterator[Finding]:
    version = platform.python_version()
    if needed and not SpecifierSet(needed).contains(version, prereleases=True):
        remedy = f"make an environment with Python {needed}"
        yield Finding("packages", "python", "problem", f"{version} is not {needed}", remedy)


def _of_ours(ours: Sequence[Requirement], extras: Sequence[str]) -> Iterator[Finding]:
    wanted = {"", *extras}
    for each in ours:
        if each.name == OURS:  # an extra that names others
            continue
        version = _version(each.name)
        is_needed = each.marker is None or any(
            each.marker.evaluate({"extra": extra}) for extra in wanted
        )
        remedy = f'pip install "{each.name}{each.specifier}"'
        if version is None:
            if is_needed:
                yield Finding("packages", each.name, "problem", "it is not installed", remedy)
        elif not each.specifier.contains(version, prereleases=True):
            found = f"{version} is installed, {each.specifier} is needed"
            yield Finding(
                "packages", each.name, "problem" if is_needed else "warning", found, remedy
            )


def _of_theirs(ours: Sequence[Requirement]) -> Iterator[Finding]:
    """Yield packages that one of ours needs in another version, such as s3fs its very fsspec."""
    for name in dict.fromkeys(each.name for each in ours):
        if name == OURS or _version(name) is None:
            continue
        for each in _requirements(name):
            if each.marker is not None and not each.marker.evaluate({"extra": ""}):
                continue
            version = _version(each.name)
            if version is not None and not each.specifier.contains(version, prereleases=True):
                found = f"{version} is installed, {name} {_version(name)} needs {each.specifier}"
                remedy = f'pip install "{each.name}{each.specifier}", or another version of {name}'
                yield Finding("packages", each.name, "warning", found, remedy)


def _conflicts() -> Iterator[Finding]:
    for one, other, why, remedy in CONFLICTS:
        if _version(one) is not None and _version(other) is not None:
            yield Finding("packages", one, "warning", f"beside {other}: {why}", remedy)


def _requirements(name: str) -> Iterator[Requirement]:
    for text in metadata.requires(name) or ():
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
