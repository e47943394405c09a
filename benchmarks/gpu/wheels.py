"""Fills a folder with the wheels that a GPU machine without a package index lacks.

`python -m benchmarks.gpu.wheels DIR [--python 3.12]`

The machine has torch and pyarrow; DeepSpeed, our version of transformers and a few small packages travel.
DeepSpeed is built without its compiled operators (`DS_BUILD_OPS=0`): a wheel of pure Python.
"""

import argparse
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "transformers",
    "tokenizers",
    "hjson",
    "pydantic",
    "pydantic_core",
    "annotated-types",
    "typing-inspection",
    "msgpack",
    "msgspec",
    "simplejpeg",
)
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_5")
MOST_BYTES = 64 << 20


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu.wheels", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="of the other machine (default: 3.12)")
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    platforms = [f"--platform={name}_x86_64" for name in PLATFORMS]
    kind = ["--only-binary=:all:", "--implementation=cp", f"--python-version={chosen.python}"]
    pinned = [f"{name}=={version(name)}" for name in PACKAGES]
    download = [*pip, "download", "--quiet", "--no-deps", *kind, *platforms, "-d", str(folder)]
    subprocess.run([*download, *pinned], check=True)
    built = [*pip, "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run(
        [*built, f"deepspeed=={version('deepspeed')}"],
        check=True,
        env=os.environ | {"DS_BUILD_OPS": "0"},
    )
    files = sorted(folder.glob("*.whl"))
    num_bytes = sum(path.stat().st_size for path in files)
    print(f"{len(files)} wheels, {num_bytes / 1e6:.1f} MB, in {folder}")
    if num_bytes > MOST_BYTES:
        raise SystemExit(f"more than {MOST_BYTES / 1e6:.0f} MB: too much to carry")


if __name__ == "__main__":
    main()
