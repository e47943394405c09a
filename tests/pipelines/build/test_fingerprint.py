"""Fingerprint of a build: all that its bytes depend on, and nothing else."""

import shutil
from dataclasses import replace

import pytest

from datagen.build.options import make_options
from datagen.build.plan import InputFile
from datagen.mixture import MixtureOptions
from pipelines.build.fingerprint import LIBRARIES, LIMITS, identify, versions
from templates.library import template_folder

INPUTS = {"vqav2": {"questions.json": InputFile(10, "a" * 64)}}


def identity(**changes):
    return identify(make_options(**{"raw": "raw", "out": "out", **changes}), INPUTS)


def test_equal_builds_have_equal_names_of_sixteen_digits():
    assert identity().fingerprint == identity().fingerprint
    assert len(identity().fingerprint) == 16
    assert int(identity().fingerprint, 16) >= 0


@pytest.mark.parametrize(
    "changes",
    [
        {"raw": "elsewhere"},
        {"out": "elsewhere"},
        {"image_roots": {"coco": "/data/coco"}},
        {"max_memory": "8GB"},
        {"template_dir": str(template_folder("instruct"))},
    ],
)
def test_places_and_means_do_not_change_the_name(changes):
    assert identity(**changes).fingerprint == identity().fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": ("vqav2",)},
        {"splits": ("train",)},
        {"limit": 5},
        {"images": "embed"},
        {"images": "embed", "image_max_side": 64},
        {"missing_images": "keep"},
        {"max_reject_fraction": 0.5},
        {"max_missing_fraction": 0.5},
        {"seed": 1},
        {"template_dir": "plain"},
        {"mixture": MixtureOptions(rule="uniform")},
    ],
)
def test_every_other_option_changes_the_name(changes):
    assert identity(**changes).fingerprint != identity().fingerprint


def test_limits_change_the_name_but_not_that_of_the_work():
    for limit in LIMITS:
        changed = identity(**{limit: 0.5})
        assert changed.work == identity().work
        assert changed.fingerprint != identity().fingerprint
    assert identity(seed=1).work != identity().work


def test_inputs_and_versions_change_the_name():
    ours = identity()
    other = {"vqav2": {"questions.json": InputFile(10, "b" * 64)}}
    more = {"vqav2": {**INPUTS["vqav2"], "annotations.json": InputFile(1, "c" * 64)}}
    newer = {**ours.versions, "pyarrow": "0.0"}
    for changed in (
        replace(ours, inputs=other),
        replace(ours, inputs=more),
        replace(ours, versions=newer),
        replace(ours, template_hash="0" * 64),
    ):
        assert changed.fingerprint != ours.fingerprint


def test_a_copied_template_folder_is_the_same_set(tmp_path):
    copy = shutil.copytree(template_folder("plain"), tmp_path / "plain")
    assert (
        identity(template_dir=str(copy)).fingerprint == identity(template_dir="plain").fingerprint
    )
    path = copy / "vqa.yaml"
    path.write_text(path.read_text().replace("{{ question }}", "{{ question }} ?", 1))
    assert (
        identity(template_dir=str(copy)).fingerprint != identity(template_dir="plain").fingerprint
    )


def test_the_versions_are_of_our_code_python_and_every_library_that_writes():
    named = versions()
    assert set(named) == {"visinstruct", "code", "python", *LIBRARIES}
    assert all(named.values())
    assert len(named["code"]) == 16
