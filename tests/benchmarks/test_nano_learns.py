"""The shipped nano configuration learns to see: new Q-Former, drawn scenes that it has never been shown."""

from collections import defaultdict

import pytest

from benchmarks.ablations.guess import kind
from benchmarks.ablations.questions import exact, majority, read_requests, share, with_other_images
from benchmarks.ablations.runs import train, trained_model
from datagen.build.options import make_options
from datagen.dataset import open_dataset
from datagen.sample.write import write_sample
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build

KINDS = ("color", "shape", "size", "place")


@pytest.fixture
def trained(made_demo, tmp_path):
    """A dataset of 300 scenes, and a run of the shipped configuration on it: those of the demo, if it was made."""
    if made_demo is not None:
        return made_demo / "instruct", made_demo / "run"
    write_sample(tmp_path / "raw", num_scenes=300)
    out, run = tmp_path / "instruct", tmp_path / "run"
    options = make_options(raw=str(tmp_path / "raw"), out=str(out), images="embed")
    build(options, beam_options([], []))
    train(run, [f"data.dataset={out}", "validation=null", f"data.cache_dir={tmp_path / 'cache'}"])
    return out, run


@pytest.mark.slow
def test_answers_about_unseen_scenes_beat_the_commonest_and_need_their_image(trained):
    out, run = trained
    model, collator = trained_model(run)
    requests = defaultdict(list)
    for source in ("vqav2", "gqa"):  # held in, and held out
        for each in read_requests(open_dataset(str(out)), source, "val", 250, 48):
            requests[kind(each.question)].append(each)
    for name in KINDS:
        questions = requests[name]
        assert len(questions) > 40, name
        answered = share(exact(model, collator, questions))
        blind = share(exact(model, collator, with_other_images(questions, 0)))
        commonest = majority(questions)
        assert answered > commonest + 0.2, (name, answered, commonest)
        assert blind < commonest + 0.1, (name, blind, commonest)
        assert answered > blind + 0.2, (name, answered, blind)
