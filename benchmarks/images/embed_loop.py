"""The same functions and the same staging in a plain loop, without Beam."""

from typing import Any

from benchmarks.harness.straight import straight_build
from benchmarks.images.options import image_options
from datagen.build.staging import Staging
from datagen.files import LocalFiles


def run(source: str, output: str) -> dict[str, Any]:
    staging = Staging(f"{output}/staging")
    return straight_build(image_options(source, output), LocalFiles(), staging)
