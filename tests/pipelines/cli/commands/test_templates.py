"""`visinstruct templates`: the templates, checked, and seen on real rows."""

import re
import shutil

import pytest

from datagen.dataset import open_dataset
from templates.library import SHIPPED_SETS, load_templates, template_folder
from templates.tasks import TASKS


@pytest.fixture
def mine(tmp_path):
    """An author's copy of the shipped templates."""
    return shutil.copytree(template_folder("instruct"), tmp_path / "mine")


# --- list


@pytest.mark.parametrize("name", SHIPPED_SETS)
def test_every_template_is_listed_under_its_task(run, name):
    outcome = run("templates", "list", "--template-dir", name)
    assert outcome.status == 0
    templates = load_templates(name)
    for wording in templates.templates:
        assert f"  {wording.template_id} " in outcome.out
    heads = [line for line in outcome.out.splitlines() if " for " in line and line[0] != " "]
    assert [line.split()[0] for line in heads] == list(TASKS)
    last = outcome.out.splitlines()[-1]
    assert last == (
        f"{len(templates.templates)} templates shown; {len(templates.templates)} in {len(TASKS)} "
        f"tasks, {len(templates.protocols)} protocols, hash {templates.hash[:16]}"
    )


def test_the_templates_of_one_source_can_be_listed(run):
    outcome = run("templates", "list", "--source", "msvd_qa")
    assert outcome.status == 0
    assert "video_qa for " in outcome.out
    assert "caption for " not in outcome.out


def test_a_source_that_is_not_known_or_without_templates_is_refused(refused, mine):
    assert "unknown source 'nope'" in refused("templates", "list", "--source", "nope")
    (mine / "statement.yaml").unlink()
    assert "no template for source 'vsr' in" in refused(
        "templates", "list", "--source", "vsr", "--template-dir", mine
    )


def test_the_text_of_a_template_is_not_markup(run, mine):
    path = mine / "video_qa.yaml"
    path.write_text(path.read_text().replace("{{ question }}", "[red]{{ question }}[/red]", 1))
    assert "[red]{{ question }}[/red]" in run("templates", "list", "--template-dir", mine).out


# --- lint


@pytest.mark.parametrize("name", SHIPPED_SETS)
def test_the_shipped_sets_are_clean_and_the_lint_counts_them(run, name):
    outcome = run("templates", "lint", "--template-dir", name)
    templates = load_templates(name)
    assert outcome.status == 0
    assert outcome.out == (
        f"checked {len(templates.templates)} templates and {len(templates.protocols)} protocols: "
        "0 findings\n"
    )


def test_a_finding_names_file_template_rule_and_remedy(run, mine):
    path = mine / "video_qa.yaml"
    path.write_text(path.read_text().replace("{{ question }}", "{{ questoin }}", 1))
    outcome = run("templates", "lint", "--template-dir", mine)
    assert outcome.status == 1
    first = outcome.out.splitlines()[0]
    assert first.startswith("video_qa.yaml: video_qa.")
    assert "questoin" in first
    assert first.endswith("[syntax]")
    assert "1 findings" in outcome.out or "findings" in outcome.out.splitlines()[-1]


def test_a_lint_over_nothing_fails(run, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nothing"):
        outcome = run("templates", "lint", "--template-dir", tmp_path / folder)
        assert outcome.status == 1
        assert "checked 0 templates" in outcome.out


# --- preview


def test_every_source_on_disk_is_previewed_with_every_fitting_template(run, raw, six):
    outcome = run("templates", "preview", "--raw", raw)
    assert outcome.status == 0
    shown = {line.split("/")[0] for line in outcome.out.splitlines() if line[:1].strip()}
    assert shown == set(six)
    for wording in load_templates().templates:
        if wording.task in ("vqa", "caption", "video_qa"):
            assert wording.template_id in outcome.out


def test_rows_of_one_source_and_split_can_be_previewed(run, raw):
    options = ("--source", "visdial", "--split", "val", "--rows", 3)
    outcome = run("templates", "preview", "--raw", raw, *options)
    assert outcome.status == 0
    ids = [line for line in outcome.out.splitlines() if line[:1].strip()]
    assert len(ids) == 3
    assert all(each.startswith("visdial/val/") for each in ids)


def test_rows_of_a_built_dataset_can_be_previewed(run, built, raw, six):
    options = ("--source", "vqav2", "--split", "val", "--rows", 2)
    outcome = run("templates", "preview", "--data", built, *options)
    assert outcome.status == 0
    assert outcome.out.count("vqav2/val/") == 2
    every = run("templates", "preview", "--data", built)
    shown = {line.split("/")[0] for line in every.out.splitlines() if line[:1].strip()}
    assert shown == set(six)


@pytest.mark.parametrize("kind", ["raw", "data"])
def test_an_evaluation_split_is_previewed_with_its_protocol_alone(run, raw, built, kind):
    rows = ("--raw", raw) if kind == "raw" else ("--data", built)
    for source, split in (("vqav2", "val"), ("visdial", "val"), ("msvd_qa", "test")):
        outcome = run("templates", "preview", *rows, "--source", source, "--split", split)
        assert outcome.status == 0
        named = [line for line in outcome.out.splitlines() if re.match(r"  \S", line)]
        assert named == [f"  protocol/{source}"]


def test_the_prompt_previewed_is_the_prompt_that_a_build_stores(run, raw, built):
    record = next(iter(open_dataset(str(built)).records("vqav2", "val")))
    options = ("--data", built, "--source", "vqav2", "--split", "val")
    shown = run("templates", "preview", *options).out
    assert f"    {record.instruction.rstrip()}" in shown
    assert f"    -> {record.target}" in shown


def test_a_template_named_is_shown_on_an_evaluation_split_too(run, raw):
    template = next(w for w in load_templates().templates if w.task == "vqa")
    options = ("--source", "vqav2", "--split", "val", "--template", template.template_id)
    outcome = run("templates", "preview", "--raw", raw, *options)
    assert outcome.status == 0
    assert f"  {template.template_id}\n" in outcome.out
    assert "protocol/" not in outcome.out


def test_one_template_can_be_previewed(run, raw):
    wording = next(w for w in load_templates().templates if w.task == "video_qa")
    outcome = run("templates", "preview", "--raw", raw, "--template", wording.template_id)
    assert outcome.status == 0
    shown = [line.strip() for line in outcome.out.splitlines() if line.startswith("  video_qa")]
    assert shown == [wording.template_id]


def test_an_edit_is_seen_at_once(run, raw, mine):
    options = ("--raw", raw, "--template-dir", mine, "--source", "msvd_qa")
    before = run("templates", "preview", *options).out
    path = mine / "video_qa.yaml"
    path.write_text(path.read_text().replace("{{ question }}", "Look closely: {{ question }}", 1))
    after = run("templates", "preview", *options).out
    assert "Look closely: " in after
    assert "Look closely: " not in before


def test_a_preview_leaves_nothing_behind(run, raw, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(raw.rglob("*"))
    assert run("templates", "preview", "--raw", raw).status == 0
    assert list(tmp_path.iterdir()) == []
    assert sorted(raw.rglob("*")) == before


def test_a_preview_needs_no_images(run, raw_copy):
    shutil.rmtree(raw_copy / "images")
    shutil.rmtree(raw_copy / "videos")
    assert run("templates", "preview", "--raw", raw_copy).status == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "give either --raw DIR, --data OUT or --source FILE.yaml"),
        (
            ("--raw", "RAW", "--data", "OUT"),
            "give either --raw DIR, --data OUT or --source FILE.yaml",
        ),
        (("--raw", "RAW", "--rows", 0), "--rows is 1 or more"),
        (("--raw", "RAW", "--rows", -1), "--rows is 1 or more"),
        (("--raw", "RAW", "--template", "vqa.nope"), "no template for vqa.nope in instruct"),
        (("--raw", "RAW", "--source", "vqav3"), "unknown source 'vqav3', did you mean 'vqav2'"),
        (("--raw", "RAW", "--split", "trian"), "unknown split 'trian', did you mean 'train'"),
        (("--data", "OUT", "--source", "nope"), "no template for nope in instruct"),
        (("--raw", "nowhere"), "no source has a complete split in nowhere"),
        (("--data", "nowhere"), "nowhere is no dataset"),
        (("--raw", "RAW", "--template-dir", "nowhere"), "no such folder"),
    ],
)
def test_what_cannot_be_previewed_is_refused(refused, raw, built, options, reason):
    places = {"RAW": raw, "OUT": built}
    message = refused("templates", "preview", *(places.get(each, each) for each in options))
    assert reason in message


def test_a_broken_folder_is_reported_with_every_error(refused, raw, mine):
    (mine / "vqa.yaml").write_text("task: [")
    (mine / "caption.yaml").write_text("- 1")
    for command in (("list",), ("preview", "--raw", raw)):
        message = refused("templates", *command, "--template-dir", mine)
        assert f"templates in {mine} cannot be used, " in message
        assert "vqa.yaml: not readable" in message
        assert "caption.yaml: " in message


def test_rows_that_cannot_be_used_are_passed_over(run, raw_copy, edit_json):
    edit_json(raw_copy / "msvd_qa/val_qa.json", lambda rows: [{"id": "x"}, *rows])
    options = ("--raw", raw_copy, "--source", "msvd_qa", "--split", "val")
    outcome = run("templates", "preview", *options)
    assert outcome.status == 0
    assert "msvd_qa/val/" in outcome.out


# --- lint on rows, import


def test_a_lint_renders_the_templates_on_rows_too(run, raw, mine):
    outcome = run("templates", "lint", "--template-dir", mine, "--raw", raw, "--source", "msvd_qa")
    assert outcome.status == 0
    assert " rows: 0 findings" in outcome.out


def test_a_list_of_prompts_is_imported_and_linted(run, refused, tmp_path):
    prompts, out = tmp_path / "prompts.txt", tmp_path / "mine" / "vqa.yaml"
    prompts.write_text("1. {Question} Short answer:\n2. Look at the image.\n")
    options = ("--task", "vqa", "--sources", "vqav2,okvqa", "--out", out)
    outcome = run("templates", "import", prompts, *options)
    assert outcome.status == 1
    assert "vqa.imported.2: instruction: instruction does not show the input" in outcome.out
    assert f"{out}: 2 templates, 1 findings" in outcome.out.replace("\n", "")
    assert "exists already; name a new file" in refused("templates", "import", prompts, *options)
    assert "import needs FILE, --task NAME" in refused("templates", "import", prompts)


def test_a_set_for_a_few_sources_is_clean_and_the_others_are_named(run, mine):
    for path in mine.glob("*.yaml"):
        if path.name != "vqa.yaml":
            path.unlink()
    outcome = run("templates", "lint", "--template-dir", mine)
    assert outcome.status == 0
    assert ": 0 findings" in outcome.out
    assert "no template for " in outcome.out and "msvd_qa" in outcome.out


# --- source files of own data


@pytest.fixture
def pumps(tmp_path):
    """A source file with templates of its own; the images are not there."""
    (tmp_path / "pumps.csv").write_text(
        "image,question,answer,split\na.png,What leaks?,the valve,train\nb.png,Shut?,yes,val\n"
    )
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/vqa.yaml").write_text(
        "task: vqa\ntarget: '{{ answer }}'\ntemplates:\n"
        "- id: vqa.pump.1\n  instruction: 'Pump: {{ question }}'\n"
    )
    path = tmp_path / "pumps.yaml"
    path.write_text(
        "name: pumps\ntask: vqa\nfiles: pumps.csv\n"
        "columns: {image: image, question: question, answers: answer, split: split}\n"
        "splits: {train: train, val: val}\n"
    )
    return path


def test_templates_are_previewed_on_rows_of_a_source_file(run, pumps):
    outcome = run("templates", "preview", "--source", pumps, "--template", "vqa.short_answer.1")
    assert outcome.status == 0, outcome.err
    assert "What leaks?" in outcome.out and "-> the valve" in outcome.out
    evaluated = run("templates", "preview", "--source", pumps, "--split", "val")
    assert "Question: Shut? Short answer:" in evaluated.out
    assert "protocol/pumps" in evaluated.out


def test_templates_of_a_source_files_own_are_listed_checked_and_previewed(run, pumps):
    pumps.write_text(pumps.read_text() + "templates: ./prompts\n")
    assert "-> the valve" in run("templates", "preview", "--source", pumps).out
    listed = run("templates", "list", "--source", pumps)
    assert ", pumps" in listed.out
    assert "vqa.pump.1" in listed.out and "vqa.short_answer.1" not in listed.out
    clean = run("templates", "lint", "--source", pumps)
    assert clean.status == 0, clean.out
    assert "on 1 rows: 0 findings" in clean.out
    path = pumps.parent / "prompts/vqa.yaml"
    path.write_text(path.read_text().replace("Pump: {{ question }}", "Look. {{ answer }}"))
    wrong = run("templates", "lint", "--source", pumps)
    assert wrong.status == 1
    assert "prompts/vqa.yaml: " in wrong.out


def test_a_style_that_a_source_file_names_wrongly_is_a_finding(run, pumps):
    pumps.write_text(pumps.read_text() + "templates: vqa.shrt_answer\n")
    wrong = run("templates", "lint", "--source", pumps)
    assert wrong.status == 1 and "'vqa.shrt_answer'" in wrong.out


def test_a_source_file_has_rows_of_its_own(refused, pumps, tmp_path):
    assert "leave out --raw and --data" in refused(
        "templates", "preview", "--source", pumps, "--raw", tmp_path
    )
    assert "has no split 'vall', did you mean 'val'" in refused(
        "templates", "preview", "--source", pumps, "--split", "vall"
    )
