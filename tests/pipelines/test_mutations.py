"""Official files changed at random: never an error but ours, and the numbers always add up."""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from datagen.build.options import make_options
from datagen.errors import UserError
from datagen.sources import SOURCE_IDS, load_source
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build
from pipelines.build.work import CountShards, StageRanges, WriteShards

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


@dataclass(frozen=True)
class ByteChange:
    """A change of `length` bytes at `place` (modulo the file's length)."""

    kind: str
    place: int
    length: int
    noise: bytes

    def apply(self, data: bytes) -> bytes:
        place = self.place % (len(data) + 1)
        before, here, after = data[:place], data[place:][: self.length], data[place + self.length :]
        match self.kind:
            case "cut off":
                return before
            case "remove":
                return before + after
            case "repeat":
                return before + here + here + after
            case "insert":
                return before + self.noise + here + after
            case "overwrite":
                return before + self.noise[: len(here)] + data[place + len(self.noise) :]
            case "space":
                return before + here.replace(b",", b" ,\n") + after
        raise AssertionError(self.kind)


@dataclass(frozen=True)
class JsonChange:
    """A change of one value; `path` and `key` count members, modulo their number."""

    kind: str
    path: list[int]
    key: int
    value: Any

    def apply(self, document: Any) -> None:
        node = document
        for step in self.path:
            inner = [v for v in children(node) if isinstance(v, list | dict) and v]
            if not inner:
                break
            node = inner[step % len(inner)]
        if not node:
            return
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = keys[self.key % len(keys)]
        match self.kind:
            case "replace":
                node[key] = deepcopy(self.value)
            case "delete":
                del node[key]
            case "wrap":
                node[key] = [node[key]]
            case "neighbour":
                node[key] = deepcopy(node[keys[(self.key + 1) % len(keys)]])
            case "repeat" if isinstance(node, list):
                node.append(deepcopy(node[key]))
            case "repeat":
                node[f"{key}x"] = node.pop(key)
            case "reverse" if isinstance(node, list):
                node.reverse()
            case "reverse":
                items = list(node.items())[::-1]
                node.clear()
                node.update(items)


@dataclass(frozen=True)
class Mutation:
    """A file (modulo their number), and what is changed in it: JSON as such, all others as bytes."""

    file: int
    any_file: bool
    as_json: list[JsonChange] | None
    as_bytes: list[ByteChange]
    images: str

    def apply(self, raw: Path, source: str) -> Path:
        files = files_of(source, raw)
        documents = [path for path in files if path.suffix in (".json", ".jsonl", ".csv", ".txt")]
        among = files if self.any_file else documents
        path = among[self.file % len(among)]
        data = path.read_bytes()
        path.unlink()  # it is a link to the one that all share
        if path.suffix == ".json" and self.as_json is not None:
            document = json.loads(data)
            for change in self.as_json:
                change.apply(document)
            data = json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")
        else:
            for change in self.as_bytes:
                data = change.apply(data)
        path.write_bytes(data)
        return path


def children(node: Any) -> Collection[Any]:
    return node.values() if isinstance(node, dict) else node


places = st.integers(0, 1 << 20)
json_changes = st.builds(
    JsonChange,
    kind=st.sampled_from(["replace", "delete", "wrap", "neighbour", "repeat", "reverse"]),
    path=st.lists(places, max_size=6),
    key=places,
    value=st.sampled_from(VALUES),
)
byte_changes = st.builds(
    ByteChange,
    kind=st.sampled_from(["insert", "remove", "repeat", "overwrite", "space", "cut off"]),
    place=places,
    length=st.sampled_from([1, 2, 10, 100, 5_000]),
    noise=st.sampled_from(HOSTILE_BYTES) | st.binary(min_size=1, max_size=100),
)
mutations = st.builds(
    Mutation,
    file=places,
    any_file=st.sampled_from([False, False, False, True]),
    as_json=st.none() | st.lists(json_changes, min_size=1, max_size=5),
    as_bytes=st.lists(byte_changes, min_size=1, max_size=3),
    images=st.sampled_from(["reference", "embed"]),
)


def files_of(source: str, raw: Path) -> list[Path]:
    """All files that a build of the source may read, media as well."""
    return sorted(
        path for each in folders_of(source, raw) for path in each.rglob("*") if path.is_file()
    )


def folders_of(source: str, raw: Path) -> list[Path]:
    card = load_source(source).card
    media = [f"{m.kind}/{m.collection}" for m in card.media if m.kind != "own"]
    return [each for each in (raw / name for name in (card.folder, *media)) if each.is_dir()]


def run_plainly(work, *_):
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
    return "a plain loop"


@pytest.fixture
def plainly(monkeypatch):
    monkeypatch.setattr("pipelines.build.run.execute", run_plainly)


def test_a_plain_loop_writes_the_same_bytes(plainly, raw, tmp_path, built, digests):
    options = make_options(raw=str(raw), out=str(tmp_path / "out"))
    build(options, beam_options([], []))
    assert digests(tmp_path / "out") == digests(built)


def is_built(mutation: Mutation, source: str, raw: Path, verify: Any) -> bool:
    """Build a mutated copy of the raw files: True if it could be built, and then it is balanced."""
    with TemporaryDirectory(dir=raw.parent) as name:
        copy, out = Path(name, "raw"), Path(name, "out")
        for each in folders_of(source, raw):
            shutil.copytree(each, copy / each.relative_to(raw), copy_function=os.link)
        note(f"{source}: {mutation.apply(copy, source).relative_to(copy)} is changed")
        options = make_options(
            raw=str(copy),
            out=str(out),
            sources=(source,),
            images=mutation.images,
            max_reject_fraction=1,
            max_missing_fraction=1,
        )
        try:
            build(options, beam_options([], []))
        except UserError as error:
            assert str(error)
            assert not out.exists()
            return False
        manifest = verify(out, copy)
        assert manifest.splits or manifest.missing
        return True


def fuzz(source: str, num_mutations: int, round_: int, raw: Path, verify: Any) -> None:
    """Another round has other mutations; every source has its own, the same in each run."""
    built = 0

    @seed(crc32(f"{source}/{round_}".encode()))
    @settings(
        max_examples=num_mutations,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutation=mutations)
    def is_refused_or_balanced(mutation: Mutation) -> None:
        nonlocal built
        built += is_built(mutation, source, raw, verify)

    is_refused_or_balanced()
    assert built > 0


@pytest.mark.parametrize("source", SOURCE_IDS)
@pytest.mark.parametrize(
    ("round_", "num_mutations"), [(0, 8), pytest.param(1, 22, marks=pytest.mark.slow)]
)
def test_changed_files_are_refused_or_balanced(
    source, round_, num_mutations, all_raw, verify, plainly
):
    fuzz(source, num_mutations, round_, all_raw, verify)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCE_IDS)
def test_changed_files_are_refused_or_balanced_through_beam(source, all_raw, verify):
    fuzz(source, 5, 2, all_raw, verify)
