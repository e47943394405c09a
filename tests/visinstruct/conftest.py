from pathlib import Path

import pytest

from pipelines.cli.main import main


@pytest.fixture(scope="session")
def built(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data/instruct`, a built dataset with images: to be read only."""
    folder = tmp_path_factory.mktemp("built")
    out = str(folder / "data/instruct")
    assert main(["build", "--raw", str(sample_raw), "--out", out, "--images", "embed"]) == 0
    return folder
