from pipelines.cli.main import main


def test_the_shipped_configurations_are_listed_with_their_purpose(capsys):
    assert main(["configs"]) == 0
    out = capsys.readouterr().out
    assert "ablations/uniform_mixture" in out and "no balancing" in out
    assert len([line for line in out.splitlines() if line.split()[0].islower()]) == 14


def test_copies_are_named_and_an_unknown_name_is_told_with_the_nearest(tmp_path, capsys):
    assert main(["configs", "copy", "vicuna_7b", "--out", str(tmp_path)]) == 0
    assert str(tmp_path / "vicuna_7b.yaml") in capsys.readouterr().out.splitlines()
    assert (tmp_path / "deepspeed/zero3.json").is_file()
    assert main(["configs", "copy", "vicuna7b", "--out", str(tmp_path)]) == 2
    assert (
        "no shipped configuration 'vicuna7b', did you mean 'vicuna_7b'?" in capsys.readouterr().err
    )
