import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "deepspeed", "apache_beam", "datagen.sources")


@pytest.mark.parametrize(
    "module",
    ["data.order.place", "data.order.assign", "config.data", "data.stream", "data.explain"],
)
def test_a_stream_is_opened_without_torch(module: str) -> None:
    code = f"import sys, trainer.{module}; print(*(n for n in {HEAVY} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
