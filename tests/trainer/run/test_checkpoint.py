import json
import os
import subprocess

import pytest
import torch

from trainer.errors import CheckpointError
from trainer.run import checkpoint
from trainer.run.checkpoint import RunState


def make_state(size: int = 100) -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    names = ("qformer.layer.weight", "query_tokens")
    parts = ("weight", "exp_avg", "exp_avg_sq")
    return {name: {part: torch.randn(size, 3) for part in parts} for name in names}


def at(step: int, **changes: object) -> RunState:
    values = {
        "step": step,
        "next_sample": step * 8,
        "replaced": 0,
        "fingerprint": {"seed": 1},
        "files": {},
    }
    return RunState(**(values | changes))


def test_what_is_saved_is_read_back_bit_for_bit(tmp_path):
    state = make_state()
    path = checkpoint.save(tmp_path, state, at(3, best={"loss": 1.5}))
    assert path.name == "step-00000003"
    run = checkpoint.read_run_state(path)
    assert (run.step, run.next_sample, run.best) == (3, 24, {"loss": 1.5})
    read = checkpoint.read_tensors(path)
    assert read.keys() == state.keys()
    for name, tensors in state.items():
        for part, tensor in tensors.items():
            assert torch.equal(read[name][part], tensor)


def test_a_checkpoint_is_hardly_larger_than_its_tensors(tmp_path):
    state = make_state(20_000)
    path = checkpoint.save(tmp_path, state, at(1))
    needed = sum(t.numel() * 4 for tensors in state.values() for t in tensors.values())
    assert needed <= sum(file.stat().st_size for file in path.iterdir()) <= 1.05 * needed


def test_the_newest_whole_checkpoint_is_found_and_damaged_ones_are_named(tmp_path):
    for step in (1, 2, 3, 10):
        checkpoint.save(tmp_path, make_state(), at(step))
    (tmp_path / "step-00000010" / checkpoint.STATE).unlink()
    with open(tmp_path / "step-00000003" / checkpoint.MOMENTS, "r+b") as file:
        file.truncate(100)
    report: list[str] = []
    assert checkpoint.newest(tmp_path, report) == tmp_path / "step-00000002"
    assert len(report) == 2
    assert "step-00000010 is not an intact checkpoint" in report[0]
    assert "optimizer.safetensors is 100 bytes long, not" in report[1]


def test_without_checkpoints_none_is_found(tmp_path):
    assert checkpoint.newest(tmp_path / "absent", []) is None


def test_the_last_few_are_kept_and_the_best(tmp_path):
    for step in range(1, 6):
        path = checkpoint.save(tmp_path, make_state(), at(step))
        if step == 2:
            checkpoint.mark_best(tmp_path, path)
    (tmp_path / "step-00000009.tmp").mkdir()
    checkpoint.prune(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.glob("step-*")) == [
        "step-00000002",
        "step-00000004",
        "step-00000005",
    ]
    assert (tmp_path / "best").resolve().name == "step-00000002"


def test_a_checkpoint_of_another_version_or_run_is_refused(tmp_path):
    path = checkpoint.save(tmp_path, make_state(), at(1, version=99))
    with pytest.raises(CheckpointError, match="version 99, this visinstruct reads 1"):
        checkpoint.read_run_state(path)
    saved = {"seed": 1, "data": {"content": "a" * 64, "templates": "x"}}
    now = {"seed": 2, "data": {"content": "b" * 64, "templates": "x"}}
    with pytest.raises(CheckpointError) as caught:
        checkpoint.check_same(saved, now, path)
    assert "data.content was aaaaaaaaaaaa.., is bbbbbbbbbbbb..; seed was 1, is 2" in str(
        caught.value
    )
    checkpoint.check_same(saved, dict(saved), path)


def test_damaged_tensors_are_refused(tmp_path):
    path = checkpoint.save(tmp_path, make_state(), at(1))
    file = path / checkpoint.WEIGHTS
    file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.read_tensors(path)


@pytest.mark.parametrize("name", [checkpoint.WEIGHTS, checkpoint.MOMENTS, checkpoint.STATE])
@pytest.mark.parametrize("damage", ["flipped bit", "zeros"])
def test_every_byte_of_a_checkpoint_has_a_digest(tmp_path, name, damage):
    for step in (1, 2):
        path = checkpoint.save(tmp_path, make_state(), at(step, next_sample=16))
    content = bytearray((path / name).read_bytes())
    if damage == "zeros":
        content[:] = bytes(len(content))
    else:
        place = content.index(b"16") + 1 if name == checkpoint.STATE else len(content) - 7
        content[place] ^= 1  # in the state file, 16 becomes 17
    (path / name).write_bytes(content)
    if name != checkpoint.MOMENTS:
        with pytest.raises(CheckpointError, match="is not an intact checkpoint"):
            checkpoint.chosen_checkpoint(path)
    report: list[str] = []
    assert checkpoint.newest(tmp_path, report) == tmp_path / "step-00000001"
    assert len(report) == 1 and "step-00000002 is not an intact checkpoint: " in report[0]
    assert name in report[0] or damage == "zeros"


def test_checkpoints_of_before_digests_are_read(tmp_path):
    path = checkpoint.save(tmp_path, make_state(), at(1))
    state = json.loads((path / checkpoint.STATE).read_text())
    del state["digests"], state["skipped"]
    (path / checkpoint.STATE).write_text(json.dumps(state))
    assert checkpoint.newest(tmp_path, []) == path


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_modes_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        path = checkpoint.save(tmp_path, make_state(), at(1))
    finally:
        os.umask(before)
    for name in (checkpoint.WEIGHTS, checkpoint.MOMENTS, checkpoint.STATE):
        assert (path / name).stat().st_mode & 0o777 == 0o666 & ~mask, name


def test_only_a_larger_number_of_steps_may_change(tmp_path):
    def made(steps: int, seed: int = 1) -> dict[str, object]:
        return {"seed": seed, "optimizer": {"steps": steps, "learning_rate": 1.0}}

    sentence = checkpoint.check_same(made(2), made(4), tmp_path)
    assert sentence is not None and "optimizer.steps was 2, is 4" in sentence
    assert checkpoint.check_same(made(4), made(4), tmp_path) is None
    with pytest.raises(CheckpointError, match=r"optimizer\.steps was 4, is 2"):
        checkpoint.check_same(made(4), made(2), tmp_path)
    with pytest.raises(CheckpointError, match="seed was 1, is 2"):
        checkpoint.check_same(made(2), made(4, seed=2), tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_leaves_the_older_checkpoint_good(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        state = make_state(10_000)  # 0.72 MB
        first = checkpoint.save(disk, state, at(1))
        checkpoint.save(disk, state, at(2))
        with pytest.raises(CheckpointError, match="no space left on the disk; earlier checkpoints"):
            checkpoint.save(disk, state, at(3))
        assert not list(disk.glob("*.tmp"))
        assert checkpoint.newest(disk, []) == disk / "step-00000002"
        assert torch.equal(
            checkpoint.read_tensors(first)["query_tokens"]["weight"],
            state["query_tokens"]["weight"],
        )
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_state_file_keeps_its_published_key_of_the_fingerprint(tmp_path):
    path = checkpoint.save(tmp_path, make_state(), at(1))
    assert json.loads((path / checkpoint.STATE).read_text())["made_of"] == {"seed": 1}
