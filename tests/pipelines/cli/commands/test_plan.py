"""`visinstruct plan`: the estimate of a build."""

import json

import pytest

from pipelines.build import engine_cost


@pytest.fixture(autouse=True)
def typical_engine(monkeypatch):
    """Measuring the engine takes a second; `test_engine_cost.py` does it."""
    monkeypatch.setattr(engine_cost, "measure_engine", lambda: engine_cost.TYPICAL)


def test_the_plan_of_a_build_as_json(run, raw, manifest_of, built):
    outcome = run("plan", "--raw", raw, "--json", "--sources", "vqav2")
    assert outcome.status == 0, outcome.err
    found = json.loads(outcome.out)
    entries = manifest_of(built).splits["vqav2"]
    assert found["rows"] == sum(entry.rows for entry in entries.values())
    assert {each["split"]: each["shards"] for each in found["splits"]} == {
        split: len(entry.shards) for split, entry in entries.items()
    }
    assert set(found["cpu_seconds"]) == {"value", "low", "high"}
    assert found["cluster"] is None


def test_the_plan_is_a_table_with_totals_and_the_first_bottleneck(run, raw):
    outcome = run(
        *("plan", "--raw", raw, "--sources", "vqav2", "--workers", 50, "--store-latency", 20)
    )
    assert outcome.status == 0, outcome.err
    for words in ("vqav2", "records: ", "memory: ", "free: output", "50 workers: ", "bottleneck"):
        assert words in outcome.out


def test_workers_of_this_machine_share_its_processors(run, raw):
    outcome = run("plan", "--raw", raw, "--sources", "vqav2", "--workers", 2, "--json")
    assert json.loads(outcome.out)["cluster"]["workers"] == 2


def test_own_data_are_planned_too(run, raw, tmp_path):
    image = next((raw / "images/coco/train2014").iterdir())
    rows = [{"id": n, "image": image.name, "q": f"What is {n}?", "a": "cat"} for n in range(50)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntask: vqa\nfiles: rows.jsonl\nlicence: mit\n"
        f"images: {{root: {image.parent}}}\n"
        "columns: {id: id, image: image, question: q, answers: a}\n"
    )
    outcome = run("plan", "--source", tmp_path / "mine.yaml", "--json")
    assert outcome.status == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["rows"], found["records"]["value"]) == (50, 50)
    assert "own rows" in [phase["name"] for phase in found["phases"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", 0), "--workers is 0, give 1 or more"),
        (("--slice-rows", 0), "--slice-rows is 0"),
        (("--store-latency", 5), "--store-latency needs --workers N"),
        (("--workers", 5, "--store-latency", -1), "--store-latency must be 0 or more"),
        (("--worker-bandwidth", 0), "--worker-bandwidth must be above 0"),
        (("--scratch", "/nowhere/at/all"), "--scratch /nowhere/at/all: no such folder"),
        (("--sources", "nothing"), "nothing"),
    ],
)
def test_what_cannot_be_used_is_refused(refused, raw, arguments, message):
    assert message in refused("plan", "--raw", raw, *arguments)
