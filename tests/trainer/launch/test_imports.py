import gc
import subprocess
import sys

from trainer.launch.imports import importing

AT_THE_END = """
import atexit, gc
from trainer.launch.imports import importing
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 1_000))  # runs last
with importing():
    import json
"""


def test_the_collector_rests_while_modules_are_imported_and_is_as_before_afterwards():
    with importing():
        assert not gc.isenabled()
        with importing():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_import_that_fails_leaves_the_collector_on():
    try:
        with importing():
            raise ModuleNotFoundError
    except ModuleNotFoundError:
        assert gc.isenabled()


def test_what_was_imported_is_not_collected_when_the_interpreter_ends():
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]
