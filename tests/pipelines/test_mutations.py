"""Official files changed at random: never an error but ours, and the numbers always add up."""

import json
import os
import random
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from datagen.errors import UserError
from datagen.options import make_options
from datagen.sources import SOURCE_IDS, load_source
from pipelines.beam_options import beam_options
from pipelines.build import build
from pipelines.work import CountShards, StageRanges, WriteShards

VALUES = [
    None,
    True,
    0,
    -1,
    1 << 70,
    0.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "a\x00b",
    "\u2028",
    "\U0001f9a9",
    "../../../etc/passwd",
    "%s{{ question }}[red]",
    "x" * 40_000,
    [],
    {},
    [[[[]]]],
    {"": {"": None}},
]
HOSTILE_BYTES = [
    b"\x00",
    b"\xff",
    b"\\",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\ud800",
    b"\n",
]


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """One to three changes of a file's bytes."""
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) + 1)
        length = min(chance.choice([1, 2, 10, 100, 5_000]), len(data) - place)
        match chance.randrange(7):
            case 0:
                data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
            case 1:
                data = data[:place] + data[place + length :]
            case 2:
                data = data[: place + length] + data[place:]
            case 3:
                data = data[:place]
            case 4:
                data = data[:place] + chance.choice(HOSTILE_BYTES) + data[place:]
            case 5:
                data = data[:place] + chance.randbytes(length) + data[place + length :]
            case 6:
                data = data.replace(b",", b" ,\n", chance.randint(1, 50))
        if not data:
            break
    return data


def mutate_json(document, chance: random.Random):
    """One to five values, rows or keys of a document replaced, repeated, renamed or dropped."""
    for _ in range(chance.randint(1, 5)):
        node = document
        for _ in range(chance.randint(0, 6)):
            inner = [v for v in children(node) if isinstance(v, list | dict) and v]
            if not inner:
                break
            node = chance.choice(inner)
        if not node:
            continue
        key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
        match chance.randrange(5):
            case 0:
                node[key] = chance.choice(VALUES)
            case 1:
                del node[key]
            case 2:
                other = chance.choice(list(children(node)))
                node[key] = other
            case 3 if isinstance(node, list):
                node.insert(chance.randrange(len(node) + 1), node[key])
            case 3:
                node[f"{key}x"] = node.pop(key)
            case 4 if isinstance(node, list):
                chance.shuffle(node)
            case 4:
                node[key] = [node[key]]
    return document


def children(node):
    return node.values() if isinstance(node, dict) else node


def files_of(source: str, raw: Path) -> list[Path]:
    """All files that a build of the source may read, media as well."""
    return sorted(
        path for each in folders_of(source, raw) for path in each.rglob("*") if path.is_file()
    )


def folders_of(source: str, raw: Path) -> list[Path]:
    card = load_source(source).card
    media = [f"{m.kind}/{m.collection}" for m in card.media if m.kind != "own"]
    return [each for each in (raw / name for name in (card.folder, *media)) if each.is_dir()]


def mutate(raw: Path, source: str, chance: random.Random) -> str:
    files = files_of(source, raw)
    documents = [path for path in files if path.suffix in (".json", ".jsonl", ".csv", ".txt")]
    path = chance.choice(documents if chance.random() < 0.8 else files)
    data = path.read_bytes()
    path.unlink()  # it is a link to the one that all share
    if path.suffix == ".json" and chance.random() < 0.6:
        document = mutate_json(json.loads(data), chance)
        path.write_text(json.dumps(document, ensure_ascii=chance.random() < 0.5))
    else:
        path.write_bytes(mutate_bytes(data, chance))
    return str(path.relative_to(raw))


def run_plainly(work, _):
    """The work of a build in a plain loop: what the graph does, without Beam."""
    shards = defaultdict(list)
    stage = StageRanges(work)
    for key in work.range_keys():
        for shard, numbers in stage.process(key):
            shards[shard].append(numbers)
    elements = list(shards.items())
    counts = dict(pair for each in elements for _, pair in CountShards(work).process(each))
    for each in elements:
        list(WriteShards(work).process(each, counts))


@pytest.fixture
def plainly(monkeypatch):
    monkeypatch.setattr("pipelines.build._run", run_plainly)


def test_a_plain_loop_writes_the_same_bytes(plainly, raw, tmp_path, built, digests):
    options = make_options(raw=str(raw), out=str(tmp_path / "out"))
    build(options, beam_options([], []))
    assert digests(tmp_path / "out") == digests(built)


def check(source, seed, raw, folder, verify) -> bool:
    """Build one mutated copy of the raw files; True if it could be built."""
    chance = random.Random(f"{source}{seed}")
    copy = folder / "raw"
    for each in folders_of(source, raw):
        shutil.copytree(each, copy / each.relative_to(raw), copy_function=os.link)
    changed = mutate(copy, source, chance)
    options = make_options(
        raw=str(copy),
        out=str(folder / "out"),
        sources=(source,),
        images=chance.choice(["reference", "embed"]),
        max_reject_fraction=1,
        max_missing_fraction=1,
    )
    try:
        build(options, beam_options([], []))
    except UserError as error:
        assert str(error), (seed, changed)
        assert not (folder / "out").exists(), (seed, changed)
        return False
    except Exception as error:
        error.add_note(f"{source}, seed {seed}: {changed} was changed")
        raise
    manifest = verify(folder / "out", copy)
    assert manifest.splits or manifest.missing, (seed, changed)
    return True


@pytest.mark.parametrize("source", SOURCE_IDS)
@pytest.mark.parametrize(("first", "last"), [(0, 8), pytest.param(8, 30, marks=pytest.mark.slow)])
def test_changed_files_are_refused_or_balanced(
    source, first, last, all_raw, tmp_path, verify, plainly
):
    check_all(source, first, last, all_raw, tmp_path, verify)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCE_IDS)
def test_changed_files_are_refused_or_balanced_through_beam(source, all_raw, tmp_path, verify):
    check_all(source, 500, 503, all_raw, tmp_path, verify)


def check_all(source, first, last, raw, tmp_path, verify):
    built = 0
    for seed in range(first, last):
        folder = tmp_path / str(seed)
        folder.mkdir()
        built += check(source, seed, raw, folder, verify)
        shutil.rmtree(folder)
    assert built > 0
