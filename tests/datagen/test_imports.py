import json
import subprocess
import sys

import pytest

HEAVY = ("apache_beam", "torch", "datasets", "pandas", "transformers", "deepspeed")


def imported_by(*modules: str) -> list[str]:
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize(
    "module", ["datagen.schema.record", "datagen.render", "datagen.dataset", "templates.library"]
)
def test_importing_what_reads_records_is_light(module: str) -> None:
    loaded = imported_by(module)
    assert module in loaded
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []


def test_reading_records_needs_no_adapter() -> None:
    loaded = imported_by(
        "datagen.schema.record", "datagen.dataset", "datagen.mixture", "datagen.render"
    )
    assert not [name for name in loaded if name.startswith("datagen.sources")]


def test_the_whole_core_needs_neither_beam_nor_torch() -> None:
    loaded = imported_by(
        "datagen.build.finish",
        "datagen.build.planner",
        "datagen.build.preview",
        "datagen.sample.write",
    )
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []
