import os
from pathlib import Path

import pytest
from hypothesis import settings

from datagen.sample.write import write_sample

settings.register_profile("same everywhere", derandomize=True, deadline=None)
settings.load_profile("same everywhere")


@pytest.fixture(scope="session")
def sample_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's raw folder, all sources, of 40 scenes: to be read only."""
    folder = tmp_path_factory.mktemp("sample") / "raw"
    write_sample(folder, num_scenes=40)
    return folder


@pytest.fixture(scope="session")
def made_demo() -> Path | None:
    """The folder of a `make demo` that has ended, as CI gives it, its output beside it as `<folder>.log`."""
    folder = os.environ.get("VISINSTRUCT_DEMO")
    return None if folder is None else Path(folder)
