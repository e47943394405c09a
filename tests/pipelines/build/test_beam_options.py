"""Options that are passed on to Beam, and those that are refused before."""

import argparse

import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from datagen.errors import OptionError
from pipelines.build.beam_options import _parser, beam_options
from pipelines.cli.commands.build import add_arguments

OWN = ("--raw", "--out", "--max-reject-fraction")


def runner(*arguments):
    return beam_options(arguments, OWN).view_as(StandardOptions).runner


def test_the_runner_is_named_so_that_beam_looks_for_no_other():
    assert runner() == "FnApiRunner"


@pytest.mark.parametrize("given", [["--runner=PortableRunner"], ["--runner", "PortableRunner"]])
def test_a_given_runner_is_kept(given):
    assert runner(*given, "--job_endpoint=embed") == "PortableRunner"


def test_options_of_beam_pass_through():
    options = beam_options(
        ["--direct_running_mode=multi_processing", "--direct_num_workers", "3"], OWN
    ).view_as(DirectOptions)
    assert options.direct_running_mode == "multi_processing"
    assert options.direct_num_workers == 3


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("--max-reject-fracton=0.2", "--max-reject-fraction"),
        ("--direct_num_worker=2", "--direct_num_workers"),
        ("--runer=FlinkRunner", "--runner"),
    ],
)
def test_an_unknown_option_is_told_with_the_nearest_of_ours_and_beams(given, nearest):
    name = given.partition("=")[0]
    with pytest.raises(OptionError, match=f"unknown option {name}, did you mean '{nearest}'"):
        beam_options([given], OWN)


def test_no_option_of_ours_has_the_name_of_one_of_beams():
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    ours = {option for action in parser._actions for option in action.option_strings}
    beams = {option for action in _parser()._actions for option in action.option_strings}
    assert len(ours) > 10
    assert len(beams) > 100
    assert ours & beams == set()


def test_an_option_is_not_shortened():
    with pytest.raises(OptionError, match="unknown option --direct_num"):
        beam_options(["--direct_num=2"], OWN)


def test_a_word_that_is_no_option_is_told():
    with pytest.raises(OptionError, match="unexpected argument 'fast'; options begin with --"):
        beam_options(["fast"], OWN)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--direct_num_workers=two"], "--direct_num_workers: invalid int value: 'two'"),
        (["--direct_running_mode=fast"], "--direct_running_mode: invalid choice: 'fast'"),
        (["--runner"], "--runner: expected one argument"),
        (["--runner=Nope"], "--runner=Nope: Unexpected pipeline runner"),
        (["--runner=nowhere.Nope"], "--runner=nowhere.Nope: No module named 'nowhere'"),
        (["--runner=json.Nope"], "--runner=json.Nope: module 'json' has no attribute 'Nope'"),
        (["--runner=DataflowRunner"], "Missing required option: project"),
    ],
)
def test_values_that_beam_cannot_use_are_told_before_any_work(given, reason):
    with pytest.raises(OptionError, match=reason):
        beam_options(given, OWN)
