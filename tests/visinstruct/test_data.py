import msgspec
import pytest

import visinstruct
from datagen.errors import OptionError
from datagen.mixture import mix
from templates.prompt_spec import PromptSpec


@pytest.fixture(scope="module")
def dataset(built):
    return visinstruct.open_dataset(str(built / "data/instruct"))


def test_draw_0_with_the_datasets_seed_is_what_the_build_stored(dataset):
    seed = dataset.manifest.render_seed
    for source in ("vqav2", "coco_caption", "llava_detail"):
        record = dataset.record(source, "train", 0)
        made = visinstruct.render(record, seed=seed)
        assert (made.template_id, made.instruction, made.target) == (
            *(record.template_id, record.instruction, record.target),
        )


def test_draws_differ_and_repeat(dataset):
    record = dataset.record("vqav2", "train", 0)
    drawn = [visinstruct.render(record, draw=number) for number in range(12)]
    assert len({each.template_id for each in drawn}) > 3
    assert drawn == [visinstruct.render(record, draw=number) for number in range(12)]


def test_a_template_set_is_given_as_such_or_by_name(dataset):
    record = dataset.record("vqav2", "train", 0)
    plain = visinstruct.load_templates("plain")
    assert visinstruct.render(record, plain) == visinstruct.render(record, "plain")
    assert visinstruct.render(record, plain).instruction == record.question


def test_a_record_that_no_template_fits_is_named(dataset, tmp_path):
    text = "task: caption\ntarget: '{{ caption }}'\n"
    text += "templates: [{id: caption.cue.1, instruction: 'Caption:'}]\n"
    (tmp_path / "caption.yaml").write_text(text)
    record = dataset.record("vqav2", "train", 0)
    with pytest.raises(OptionError, match=f"{record.record_id} cannot be rendered .* no template"):
        visinstruct.render(record, str(tmp_path))


def test_a_record_of_another_source_is_rendered_with_what_its_manifest_says(dataset):
    record = msgspec.structs.replace(dataset.record("vqav2", "train", 0), source="pumps")
    with pytest.raises(OptionError, match=r"'pumps' is not one of the 26 .* spec=dataset.manifest"):
        visinstruct.render(record)
    spec = PromptSpec("pumps", "Pumps", ("vqa",))
    drawn = visinstruct.render(record, "task_dataset_prefix", spec=spec)
    assert drawn.instruction == f"[Visual question answering:Pumps] {record.question}"


def test_the_evaluation_prompt_is_the_protocols(dataset):
    record = dataset.record("gqa", "test_dev", 0)
    assert visinstruct.evaluation_prompt(record) == record.instruction
    other = visinstruct.evaluation_prompt(record, "gqa.lmms_eval")
    assert record.question in other and other != record.instruction
    with pytest.raises(OptionError, match=r"unknown protocol 'gqa.lmms'.*gqa.lmms_eval"):
        visinstruct.evaluation_prompt(record, "gqa.lmms")


def test_the_mixture_is_the_manifests_or_that_of_the_options(dataset):
    parts = visinstruct.mixture(dataset)
    stored = dataset.manifest.mixture
    assert {name: part.probability for name, part in parts.items()} == {
        name: entry.probability for name, entry in stored.items()
    }
    uniform = visinstruct.MixtureOptions(rule="uniform", factors={})
    assert len({part.probability for part in visinstruct.mixture(dataset, uniform).values()}) == 1
    sizes = {name: part.size for name, part in parts.items()}
    assert visinstruct.mixture(dataset, uniform) == mix(sizes, uniform)


def test_sample_k_is_a_function_of_seed_and_k(dataset):
    stream = visinstruct.open_stream(dataset.directory, seed=1)
    first = stream.sample(1000)
    assert first.instruction == stream.texts([1000])[0].instruction
    again = visinstruct.open_stream(visinstruct.DataOptions(dataset=dataset.directory), seed=1)
    assert again.sample(1000).record_id == first.record_id
    other = visinstruct.open_stream(dataset.directory, seed=2)
    ks = range(20)
    assert [s.record_id for s in other.texts(ks)] != [s.record_id for s in stream.texts(ks)]
