"""Steps that are not trained, so that a diverged run can be resumed."""

import json

import pytest

from pipelines.cli.main import main
from trainer.errors import ConfigError
from trainer.run import checkpoint
from trainer.run.skipped import count, covers, parse_steps, resumed, shown, skipped_in


def test_ranges_are_read_joined_and_shown():
    assert parse_steps(["7-9", "3", "4-5", "8-12"]) == ((3, 5), (7, 12))
    assert shown(((3, 3), (7, 12))) == "3, 7-12"
    assert parse_steps([]) == ()


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "5-3", "0-2", "1.5"])
def test_other_texts_are_refused(text):
    with pytest.raises(ConfigError, match="--skip-steps"):
        parse_steps([text])


def test_the_steps_of_a_range_are_covered_and_counted():
    skipped = ((3, 5), (7, 7))
    assert [step for step in range(10) if covers(skipped, step)] == [3, 4, 5, 7]
    assert [count(skipped, step) for step in range(9)] == [0, 0, 0, 1, 2, 3, 3, 4, 4]


def test_only_steps_that_are_not_trained_yet_can_be_skipped():
    assert resumed(((3, 5),), ((8, 9),), 6) == ((3, 5), (8, 9))
    assert resumed(((3, 5),), ((3, 5),), 6) == ((3, 5),), "the same command again"
    with pytest.raises(ConfigError, match="of step 6, so step 6 is trained already"):
        resumed(((3, 5),), ((3, 7),), 6)


def test_a_run_skips_steps_and_the_others_keep_their_samples_and_rates(
    warm, setup, read_events, capsys
):
    whole = setup.output("whole")
    steps = ("optimizer.steps=6", "checkpoint.every=2")
    warm.run(setup, *steps, f"output={whole}").check()
    warm.run(setup, *steps, "--skip-steps", "4-5").check()
    ours, theirs = read_events(setup.output()), read_events(whole)
    assert [line["step"] for line in ours] == [1, 2, 3, 6]
    assert [line["step"] for line in read_events(setup.output(), "skipped")] == [4, 5]
    assert ours[:3] == [
        {**line, **{key: ours[number][key] for key in RATES}}
        for number, line in enumerate(theirs[:3])
    ]
    assert ours[3]["losses"].keys() == theirs[5]["losses"].keys()
    assert ours[3]["learning_rate"] == theirs[5]["learning_rate"]
    assert skipped_in(setup.output()) == ((4, 5),)
    assert skipped_in(whole) == ()
    for k, step, is_skipped in ((23, 3, False), (24, 4, True), (39, 5, True), (40, 6, False)):
        capsys.readouterr()
        assert main(["explain", str(setup.config), *steps, "--sample", str(k), "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert (facts["step"], facts["skipped"]) == (step, is_skipped)
    saved = sorted(path.name for path in checkpoint.checkpoints(setup.output() / "checkpoints"))
    assert saved == ["step-00000002", "step-00000006"]


RATES = ("samples_per_s", "tokens_per_s", "mfu", "data_wait", "peak_memory_bytes")
