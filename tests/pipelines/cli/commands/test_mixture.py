"""`visinstruct mixture`: sizes, probabilities and epochs."""

import json
import math

import pytest

from datagen.schema.manifest import MixtureEntry
from datagen.sources import SOURCE_IDS, load_source
from pipelines.cli.commands.mixture import PAPER_BATCH_SIZE, PAPER_STEPS

HELD_IN = [source for source in SOURCE_IDS if load_source(source).card.held_in]
ROUNDED = {"llava_conversation": 58_000, "llava_reasoning": 77_000}


@pytest.fixture
def parts(run):
    """Return the mixture that a command prints as JSON."""

    def parts(*arguments):
        outcome = run("mixture", *arguments, "--json")
        assert outcome.status == 0, outcome.err
        return json.loads(outcome.out)

    return parts


def test_published_sizes_are_the_default(run, parts):
    outcome = run("mixture")
    assert outcome.status == 0
    assert outcome.out.startswith("published sizes, rule sqrt")
    shares = parts()
    assert set(shares) == set(HELD_IN)
    assert {source: shares[source]["size"] for source in ROUNDED} == ROUNDED
    assert "left out" not in outcome.out
    assert f"rounded, in dialogs, as the paper counts them: {', '.join(ROUNDED)}" in outcome.out
    assert shares["vqav2"]["size"] == 443_757


def test_a_built_dataset_has_the_mixture_of_its_manifest(parts, built, manifest_of):
    shares = parts(built)
    assert {
        source: MixtureEntry(**{k: v for k, v in part.items() if k != "epochs"})
        for source, part in shares.items()
    } == dict(manifest_of(built).mixture)


def test_a_dataset_keeps_the_options_that_it_was_built_with(run, parts, raw, tmp_path, manifest_of):
    (tmp_path / "mixture.yaml").write_text("rule: uniform\nsplits: {coco_caption: [train, val]}")
    out = tmp_path / "out"
    command = ("build", "--raw", raw, "--out", out, "--mixture", tmp_path / "mixture.yaml")
    assert run(*command).status == 0
    assert f"{out}, rule uniform" in run("mixture", out).out
    shares = parts(out)
    assert shares["coco_caption"]["size"] == manifest_of(out).mixture["coco_caption"].size == 82
    assert {part["weight"] for part in shares.values()} == {1}
    changed = parts(out, "--set", "factors.vqav2=3")
    assert {part["weight"] for part in changed.values()} == {1}
    assert changed["vqav2"]["factor"] == 3


def test_probabilities_follow_the_papers_rule(parts, built):
    shares = parts(built)
    total = sum(math.sqrt(part["size"]) for part in shares.values())
    for part in shares.values():
        assert part["probability"] == pytest.approx(math.sqrt(part["size"]) / total)
    assert sum(part["probability"] for part in shares.values()) == pytest.approx(1)


def test_epochs_are_samples_by_probability_over_size(parts, built):
    for options, samples in (
        ((), PAPER_STEPS * PAPER_BATCH_SIZE),
        (("--steps", 10), 10 * PAPER_BATCH_SIZE),
        (("--steps", 10, "--batch-size", 3), 30),
        (("--samples", 1_000), 1_000),
        (("--samples", 7, "--steps", 10), 7),
    ):
        for part in parts(built, *options).values():
            expected = samples * part["probability"] / part["size"]
            assert part["epochs"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sets", "weight"),
    [
        (["rule=proportional"], lambda size: size),
        (["rule=uniform"], lambda size: 1),
        (["rule=temperature", "temperature=3"], lambda size: size ** (1 / 3)),
        (["cap=60"], lambda size: math.sqrt(min(size, 60))),
        (["rule=proportional", "cap=60"], lambda size: min(size, 60)),
    ],
)
def test_rules_can_be_tried(parts, built, sets, weight):
    shares = parts(built, *(word for each in sets for word in ("--set", each)))
    for part in shares.values():
        assert part["weight"] == pytest.approx(weight(part["size"]))


def test_factors_and_splits_can_be_tried(parts, built, manifest_of):
    plain = parts(built)
    shares = parts(built, "--set", "factors.vqav2=2", "--set", "splits.coco_caption=train,val")
    assert shares["vqav2"]["factor"] == 2
    ratio = shares["vqav2"]["probability"] / shares["vqav2_qg"]["probability"]
    assert ratio == pytest.approx(2)
    more = manifest_of(built).split("coco_caption", "val").written
    assert shares["coco_caption"]["size"] == plain["coco_caption"]["size"] + more


def test_options_come_from_a_file_too(parts, built, tmp_path):
    (tmp_path / "mixture.yaml").write_text("rule: uniform\nfactors: {vqav2: 0}")
    shares = parts(built, "--config", tmp_path / "mixture.yaml")
    assert shares["vqav2"]["probability"] == 0
    assert shares["coco_caption"]["probability"] == 0.5


def test_the_table_shows_the_same_numbers(run, parts, built):
    outcome = run("mixture", built, "--samples", 1_000)
    for source, part in parts(built, "--samples", 1_000).items():
        line = next(line.split() for line in outcome.out.splitlines() if line.startswith(source))
        assert line[-2:] == [f"{part['probability']:.4f}", f"{part['epochs']:.2f}"]
    assert "epochs: over each source in a run of 1,000 samples" in outcome.out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--set", "rulee=sqrt"), "unknown option 'rulee', did you mean 'rule'"),
        (("--set", "factors.vqa2=1"), "unknown source 'vqa2', did you mean 'vqav2'"),
        (("--set", "splits.vqav2=trian"), "unknown split 'trian' of vqav2"),
        (("--set", "rule"), "is not KEY=VALUE"),
        (("--set", "factors.gqa=3"), "names gqa, which is held out and never trained on"),
        (("--set", "splits.gqa=train"), "names gqa, which is held out and never trained on"),
        (("--set", "factors.vqav2=x"), "factors.vqav2: input should be a valid number"),
        (("--set", "rule=sqr"), "input should be 'sqrt', 'proportional', 'uniform' or"),
        (("--set", ".vqav2=1"), "unknown option ''"),
        (("--set", "factors.=1"), "unknown source ''"),
        (("--set", ""), "--set is empty"),
        (("--config", ""), "--config is empty; give a value, or leave it out"),
        (("--samples", 0), "--samples is 0, give 1 or more"),
        (("--samples", -5), "--samples is -5, give 1 or more"),
        (("--steps", 0), "--steps is 0, give 1 or more"),
        (("--steps", -1, "--batch-size", -1), "--steps is -1, give 1 or more"),
        (("--batch-size", "x"), "argument --batch-size: invalid int value: 'x'"),
        (("--config", "nothing.yaml"), "mixture file nothing.yaml cannot be read"),
        (
            tuple(word for each in HELD_IN for word in ("--set", f"factors.{each}=0")),
            "the factors leave nothing to draw from",
        ),
        (("--set", "factors.vqav2=1e308", "--set", "factors.vqav2_qg=1e308"), "too large"),
        (("nowhere",), "nowhere is no dataset: it has no manifest.json"),
    ],
)
def test_what_cannot_be_used_is_named(refused, options, reason):
    assert reason in refused("mixture", *options)


def test_a_dataset_without_training_sets_is_reported(run, raw, tmp_path, refused):
    out = tmp_path / "out"
    command = ("build", "--raw", raw, "--out", out, "--sources", "msvd_qa")
    assert run(*command).status == 0
    assert f"{out} holds no split that is trained on" in refused("mixture", out)


def test_a_source_that_the_dataset_does_not_hold_is_refused(refused, built):
    message = refused("mixture", built, "--set", "factors.okvqa=3")
    assert "mixture names okvqa, which the dataset does not hold; trained on are " in message
    assert "vqav2" in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("factors: {gqa: 3}", "names gqa, which is held out and never trained on"),
        ("splits: {visdial: [train]}", "names visdial, which is held out"),
        ("factors: {vqav22: 3}", "unknown source 'vqav22', did you mean 'vqav2'?"),
        (
            "rulee: sqrt\ncaps: 3",
            "unknown 'rulee', did you mean 'rule'?; 'caps', did you mean 'cap'?",
        ),
        ("factors: 3", "mixture option factors is given by source"),
    ],
)
def test_a_file_that_names_what_is_not_there_is_refused_with_the_nearest(
    refused, raw, tmp_path, text, reason
):
    (tmp_path / "mixture.yaml").write_text(text)
    assert reason in refused("mixture", "--config", tmp_path / "mixture.yaml")
    given = ("--raw", raw, "--out", tmp_path / "out", "--mixture", tmp_path / "mixture.yaml")
    assert reason in refused("build", *given)
