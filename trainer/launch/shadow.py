"""Packages of other projects that hide ours: `trainer`, `templates` and the like are general names.

`python -m` and `deepspeed --module` put the working folder first on the path, so that a folder of such a name
there is found instead of our package. Imports the standard library alone, since any other may be hidden.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from site import getsitepackages, getusersitepackages

PACKAGES = ("templates", "datagen", "trainer", "configs", "pipelines", "visinstruct")
HOME = Path(__file__).resolve().parents[2]
"""The folder that holds our packages."""


def shadowed_package() -> str | None:
    """Return a sentence if a package of ours is hidden by another one or missing, else None."""
    for name in PACKAGES:
        place = _place(name)
        if place is None:
            return f"the package {name!r} is missing in {HOME}: install visinstruct again"
        if place == HOME / name / "__init__.py":
            continue
        folder = place.parent if place.name == "__init__.py" else place
        if folder.parent == Path.cwd():
            remedy = (
                "rename it, start from another one, or set PYTHONSAFEPATH=1, so that Python "
                "does not look in the working folder"
            )
        else:
            remedy = (
                "uninstall the project that it belongs to, take it off PYTHONPATH, or install "
                "visinstruct into an environment of its own"
            )
        return f"the package {name!r} is found at {folder}, which hides ours in {HOME}: {remedy}"
    return None


def _place(name: str) -> Path | None:
    """Return the place where Python finds a package: its `__init__.py`, or the folder of one without; nothing is run."""
    module = sys.modules.get(name)
    if module is not None:
        file, folders = getattr(module, "__file__", None), getattr(module, "__path__", ())
    else:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        file, folders = spec.origin, spec.submodule_search_locations or ()
    place = file if file is not None else next(iter(folders), None)
    return None if place is None else Path(place).resolve()


@contextmanager
def children_find_ours() -> Iterator[None]:
    """Let Python programs started meanwhile find the packages that this one found.

    They do not look in the working folder; a checkout that is not installed is put on their path.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONSAFEPATH", "PYTHONPATH")}
    os.environ["PYTHONSAFEPATH"] = "1"
    if str(HOME) not in (*getsitepackages(), getusersitepackages()):
        paths = [str(HOME), before["PYTHONPATH"]]
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
