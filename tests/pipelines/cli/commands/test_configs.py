from pipelines.cli.main import main
from trainer.config.shipped import shipped_folder


def test_the_shipped_configurations_are_listed_with_their_purpose(capsys):
    assert main(["configs"]) == 0
    out = capsys.readouterr().out
    assert "ablations/uniform_mixture" in out and "no balancing" in out
    assert len([line for line in out.splitlines() if line.split()[0].islower()]) == 15


def test_copies_are_named_and_an_unknown_name_is_reported_with_the_nearest(tmp_path, capsys):
    assert main(["configs", "copy", "vicuna_7b", "--out", str(tmp_path)]) == 0
    assert str(tmp_path / "vicuna_7b.yaml") in capsys.readouterr().out.splitlines()
    assert (tmp_path / "deepspeed/zero3.json").is_file()
    assert main(["configs", "copy", "vicuna7b", "--out", str(tmp_path)]) == 2
    assert (
        "no shipped configuration 'vicuna7b', did you mean 'vicuna_7b'?" in capsys.readouterr().err
    )


def test_copies_onto_the_shipped_files_themselves_change_nothing(tmp_path, monkeypatch, capsys):
    """As in a checkout, whose `configs` folder is where copies go by default."""
    (tmp_path / "configs").symlink_to(shipped_folder())
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in shipped_folder().rglob("*")}
    assert main(["configs", "copy", "nano_cpu"]) == 0
    assert "configs/nano_cpu.yaml" in capsys.readouterr().out.splitlines()
    assert {path: path.stat().st_mtime_ns for path in shipped_folder().rglob("*")} == before


def test_a_copy_that_was_changed_is_kept(tmp_path, capsys):
    assert main(["configs", "copy", "nano_cpu", "--out", str(tmp_path)]) == 0
    (tmp_path / "nano_cpu.yaml").write_text("mine")
    assert main(["configs", "copy", "nano_cpu", "--out", str(tmp_path)]) == 2
    assert "nano_cpu.yaml exists and is another file" in capsys.readouterr().err
    assert (tmp_path / "nano_cpu.yaml").read_text() == "mine"


def test_names_may_follow_options_and_belong_to_copies(tmp_path, capsys):
    assert main(["configs", "copy", "--out", str(tmp_path), "nano_cpu"]) == 0
    assert (tmp_path / "nano_cpu.yaml").is_file()
    assert main(["configs", "list", "nano_cpu"]) == 2
    assert "list shows all configurations; copy takes names" in capsys.readouterr().err
