"""Plain sources of the 26, expressed as source files: they give the same examples as their adapters."""

from pathlib import Path

import pytest

from datagen.build.preview import examples_in
from datagen.files import LocalFiles
from datagen.sample.write import write_sample
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.normalise import Normaliser, resolve

FILES = sorted((Path(__file__).parent / "published").glob("*.yaml"))
FIELDS = ("question", "answers", "response", "dialog", "statement", "label", "captions", "choices")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "raw"
    write_sample(folder, num_scenes=24, sources=[file.stem for file in FILES])
    return folder


def declared(file, raw):
    (definition,) = parse_definitions(file.read_bytes(), base=str(raw))
    problems = []
    definition, data_files = resolve(definition, LocalFiles())
    normaliser = Normaliser(definition, LocalFiles(), None, problems.append)
    found = {}
    for data_file in data_files:
        for split, row in normaliser.rows(data_file):
            for outcome in row.outcomes:
                assert outcome.example is not None, outcome
                found.setdefault(split, []).append(outcome.example)
    return found


def content(example):
    fields = {name: getattr(example, name) for name in FIELDS}
    return fields | {"images": [path.rpartition("/")[2] for path in example.images]}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_source_file_gives_the_examples_of_the_adapter(file, raw, tmp_path):
    for split, examples in declared(file, raw).items():
        adapted = list(examples_in(str(raw), str(tmp_path / split), file.stem, split, 10_000))
        assert adapted
        assert [content(each) for each in examples] == [content(each) for each in adapted]
        own_ids = [each.example_id.split("/", 2)[2] for each in examples]
        if "id" in file.read_text() or "preset" in file.read_text():
            assert own_ids == [each.example_id.split("/", 2)[2] for each in adapted]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_they_are_short(file):
    assert len(file.read_text().splitlines()) <= 7
