"""The configurations that come with the package, and copies of them to change."""

import shutil
from importlib.resources import files
from pathlib import Path

from datagen.errors import nearest
from trainer.errors import ConfigError


def shipped_folder() -> Path:
    return Path(str(files("configs")))


def shipped_configs() -> dict[str, Path]:
    """By name, such as `flan_t5_xl` or `ablations/multitask_plain`."""
    folder = shipped_folder()
    found = sorted(folder.rglob("*.yaml"))
    return {str(path.relative_to(folder).with_suffix("")): path for path in found}


def purpose(path: Path) -> str:
    """The first line of a configuration file: what it is for."""
    with path.open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def copy_configs(target: Path, names: list[str]) -> list[Path]:
    """Copy the named configurations, or all, with the files that they refer to.

    A file that is the shipped one itself, as in a checkout, stays as it is.

    Raises:
        ConfigError: a name is unknown, or a file would be overwritten.
    """
    known = shipped_configs()
    for name in names:
        if name not in known:
            raise ConfigError(f"no shipped configuration {name!r}{nearest(name, known)}")
    folder = shipped_folder()
    chosen = {known[name] for name in names or known}
    chosen |= {folder / parent for path in chosen if (parent := _extended(path, folder))}
    chosen |= set(folder.glob("deepspeed/*.json"))
    copies = {path: target / path.relative_to(folder) for path in sorted(chosen)}
    existing = [copy for path, copy in copies.items() if copy.exists() and not _same(path, copy)]
    if existing:
        raise ConfigError(f"{existing[0]} exists and is another file; choose another folder")
    for path, copy in copies.items():
        if copy.exists():
            continue  # it is the same
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return list(copies.values())


def _same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def _extended(path: Path, folder: Path) -> str | None:
    """The file that a configuration extends, relative to the shipped folder."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("extends:"):
            parent = (path.parent / line.partition(":")[2].strip()).resolve()
            return str(parent.relative_to(folder.resolve()))
    return None
