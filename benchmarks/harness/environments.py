"""Virtual environments for contestants whose packages do not go together with ours."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def environments(folder: Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Make an environment below `folder` for each name, with its requirements; returns its Python.

    Packages of this environment, PyTorch among them, are seen in it unless a requirement needs other versions. An
    environment that is there already is used as it is.
    """
    pythons = {}
    for name, requirements in wanted.items():
        place = folder / name
        python = place / "bin" / "python"
        pythons[name] = str(python)
        if python.exists():
            continue
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        (packages,) = place.glob("lib/python*/site-packages")
        shared = [path for path in sys.path if path.endswith("site-packages")]
        (packages / "shared.pth").write_text("\n".join(shared) + "\n")
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *requirements], check=True)
    return pythons


def installed(python: str, packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of packages in an environment."""
    program = (
        "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    )
    found = subprocess.run(
        [python, "-c", program, *packages], check=True, capture_output=True, text=True
    )
    return dict(zip(packages, found.stdout.split(), strict=True))
