from datagen.sources import load_source
from datagen.sources.okvqa_qg import SOURCE


def test_it_reads_okvqas_files() -> None:
    parent = load_source("okvqa")
    assert (SOURCE.id, SOURCE.card.folder) == ("okvqa_qg", "okvqa")
    assert SOURCE.card.task == "question_generation"
    assert SOURCE.split_names() == parent.split_names() == ("train", "val")
    for layout, same in zip(SOURCE.splits, parent.splits, strict=True):
        assert (layout.rows, layout.lookups) == (same.rows, same.lookups)
