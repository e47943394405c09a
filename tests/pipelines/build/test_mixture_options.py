"""Mixture options from files and from the command line."""

import pytest

from datagen.errors import OptionError
from datagen.mixture import FACTORS
from pipelines.build.mixture_options import read_mixture_options


@pytest.fixture
def yaml_file(tmp_path):
    def yaml_file(text, name="mixture.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return yaml_file


def test_without_anything_the_papers_rule_and_our_factors_hold():
    options = read_mixture_options(None)
    assert options.rule == "sqrt"
    assert options.factors == FACTORS
    assert options.trained_splits("vqav2") == ("train",)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("rule=uniform", "rule", "uniform"),
        ("rule=proportional", "rule", "proportional"),
        ("rule=temperature", "rule", "temperature"),
        ("temperature=3.5", "temperature", 3.5),
        ("cap=1000", "cap", 1000),
        ("factors.vqav2=0.25", "factors", {**FACTORS, "vqav2": 0.25}),
        ("factors.okvqa=1", "factors", {**FACTORS, "okvqa": 1}),
        ("splits.vqav2=train,val", "splits", {"vqav2": ("train", "val")}),
    ],
)
def test_every_key_can_be_set(text, name, value):
    assert getattr(read_mixture_options(None, [text]), name) == value


def test_what_is_set_changes_what_the_file_says(yaml_file):
    file = yaml_file("rule: uniform\ncap: 5\nfactors: {vqav2: 2}\nsplits: {vqav2: [val]}\n")
    sets = ["cap=6", "factors.vqav2_qg=3", "splits.coco_caption=val,test"]
    options = read_mixture_options(file, sets)
    assert (options.rule, options.cap) == ("uniform", 6)
    assert options.factors == {**FACTORS, "vqav2": 2, "vqav2_qg": 3}
    assert options.splits == {"vqav2": ("val",), "coco_caption": ("val", "test")}


def test_empty_parts_of_a_file_are_the_defaults(yaml_file):
    options = read_mixture_options(yaml_file("factors:\nsplits: {}\n"), ["factors.vqav2=2"])
    assert options.factors == {**FACTORS, "vqav2": 2}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rule", "--set 'rule' is not KEY=VALUE"),
        ("=3", "unknown option ''"),
        ("rulee=sqrt", "unknown option 'rulee', did you mean 'rule'"),
        ("rule=cubic", "rule: input should be 'sqrt'"),
        ("rule.vqav2=sqrt", "rule is one value for all sources"),
        ("cap.vqav2=4", "cap is one value for all sources"),
        ("cap=0", "cap: input should be greater than 0"),
        ("cap=many", "cap: input should be a valid integer"),
        ("temperature=0", "temperature: input should be greater than 0"),
        ("temperature=nan", "temperature: "),
        ("factors=3", "factors is given by source, such as factors.okvqa=2"),
        ("factors.vqav2=-1", "mixture factor -1.0 of 'vqav2' is not 0 or more"),
        ("factors.vqav2=nan", "mixture factor nan"),
        ("factors.vqav2=x", "factors.vqav2: input should be a valid number"),
        ("factors.vqav=2", "unknown source 'vqav', did you mean 'vqav2'"),
        ("factors.=2", "unknown source ''"),
        ("splits=train", "splits: "),
        ("splits.vqav2=trian", "unknown split 'trian' of vqav2, did you mean 'train'"),
        ("splits.vqav2=", "unknown split '' of vqav2"),
        ("splits.nope=train", "unknown source 'nope'"),
        ("splits.vqav2=test_dev", "trains on vqav2/test_dev, whose answers are hidden"),
        ("splits.textcaps=test", "have no target; train on train, val (mixture option splits.text"),
    ],
)
def test_what_cannot_be_set_is_told_with_its_reason(text, reason):
    with pytest.raises(OptionError) as error:
        read_mixture_options(None, [text])
    assert reason in str(error.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(OptionError, match=r"temperature: .*; cap: "):
        read_mixture_options(None, ["cap=0", "temperature=-1"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no options, write for example rule: sqrt"),
        ("- rule", "holds no options"),
        ("just words", "holds no options"),
        ("[[[", "cannot be read"),
        ("[" * 5_000, "cannot be read"),
        ("rule: *other", "cannot be read"),
        ("!!python/object/apply:os.system [true]", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        ("a: 2026-13-45", "cannot be read"),
        ("rul: sqrt", "unknown 'rul', did you mean 'rule'?"),
        ("1: 2", "unknown '1'; known are rule"),
        ("factors: [vqav2]", "factors is given by source"),
        ("factors: {vqav2: [1]}", "factors.vqav2: "),
        ("splits: {vqav2: train}", "splits.vqav2: "),
        ("splits: {vqav2: [trian]}", "unknown split 'trian'"),
        ("temperature: .inf\ncap: .nan", "cap: "),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_reason(yaml_file, text, reason):
    with pytest.raises(OptionError) as error:
        read_mixture_options(yaml_file(text))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OptionError, match=r"no\.yaml cannot be read: .*No such file"):
        read_mixture_options(str(tmp_path / "no.yaml"))
    with pytest.raises(OptionError, match=r"cannot be read: .*Is a directory"):
        read_mixture_options(str(tmp_path))


def test_a_part_of_the_file_that_is_no_mapping_cannot_be_changed_by_source(yaml_file):
    with pytest.raises(OptionError, match="factors is given by source"):
        read_mixture_options(yaml_file("factors: 3"), ["factors.vqav2=2"])
