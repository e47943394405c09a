"""Finding the rows of a large JSON document: speed and memory.

`python -m benchmarks.read_json [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from benchmarks.harness.generate import write_capfilt, write_vqav2
from benchmarks.harness.measure import Case, Measured, measure
from benchmarks.harness.report import Column, Goal, Results, cpu, wall
from benchmarks.harness.settings import settings
from benchmarks.readers.documents import DOCUMENTS

NAME = "read_json"
QUESTION = "Finding the rows of a large JSON document: speed and memory."
PACKAGES = ("msgspec", "orjson", "ijson", "numpy")

WHAT = {
    "our index": "`datagen.raw.json_index.index_json`, as the build calls it: one pass in windows that proves "
    "the text to be JSON, hashes it (sha256) and counts the rows of every window.",
    "our index and keys": "then `datagen.raw.lookup.index_keys`: a second pass that keeps key, place and "
    "length of every row.",
    "json": "`json.load`.",
    "orjson": "`orjson.loads` of the whole file.",
    "msgspec": "`msgspec.json.decode` of the whole file into dicts and lists.",
    "msgspec, typed rows": "the same into Structs of the wanted fields.",
    "msgspec, raw rows": "the same into `list[msgspec.Raw]`.",
    "ijson": "`ijson.items`, streaming, with its C library where there is one.",
}
PARSERS = {
    "json": "json",
    "orjson": "orjson",
    "msgspec": "msgspec",
    "msgspec, typed rows": "typed",
    "msgspec, raw rows": "raw",
    "ijson": "ijson",
}
ABSENT = [name for name in ("orjson", "ijson") if find_spec(name) is None]


def cases() -> Sequence[Case]:
    return [
        case
        for rows in DOCUMENTS
        for case in (
            Case(f"{rows} rows: our index", "readers.index", "", (rows,)),
            Case(f"{rows} rows: our index and keys", "readers.index", "", (rows, "keys")),
            *(
                Case(f"{rows} rows: {name}", "readers.whole", "", (rows, parser))
                for name, parser in PARSERS.items()
                if name not in ABSENT
            ),
        )
    ]


def main() -> None:
    with settings(NAME, QUESTION, rows=512_000) as chosen:
        write_vqav2(chosen.source, chosen.rows)
        sizes = {"long": (chosen.source / DOCUMENTS["long"].file).stat().st_size}
        write_capfilt(chosen.source / DOCUMENTS["short"].file, sizes["long"])
        sizes["short"] = (chosen.source / DOCUMENTS["short"].file).stat().st_size
        measured = measure(cases(), chosen.source, chosen.scratch, chosen.repetitions)
        counts = {rows: counted(measured, rows) for rows in DOCUMENTS}
        results = Results(
            title="Finding the rows of large JSON documents",
            question=QUESTION,
            input="made-up files, page cache warm: "
            + "; ".join(
                f"{rows} rows, {counts[rows]:,} of {size / counts[rows]:.0f} bytes, {size / 1e6:.0f} MB"
                for rows, size in sizes.items()
            )
            + ". All parsers count the same rows. Private memory is what a process took at its peak "
            "beyond what it had after its imports.",
            cases={name: what for name, what in WHAT.items() if name not in ABSENT},
            measured=measured,
            columns=columns(sizes),
            goals=goals(measured, sizes),
            notes=[f"Not installed, and left out: {', '.join(ABSENT)}."] if ABSENT else [],
        )
        print(results.table(), *results.goals, *results.notes, sep="\n")
        results.write(chosen.out, PACKAGES)


def counted(measured: Mapping[str, Measured], rows: str) -> int:
    """The rows that every parser found."""
    found = {
        cost.reported["rows"]
        for name, each in measured.items()
        if name.startswith(rows)
        for cost in each.costs
    }
    if len(found) != 1:
        raise SystemExit(f"parsers differ on how many {rows} rows there are: {found}")
    return int(found.pop())


def columns(sizes: Mapping[str, int]) -> Sequence[Column]:
    return (
        Column("MB/s", lambda m: sizes[m.case.arguments[0]] / 1e6 / m.middle(wall)),
        Column("MB/CPU-s", lambda m: sizes[m.case.arguments[0]] / 1e6 / m.middle(cpu)),
        Column("seconds", lambda m: m.middle(wall)),
        Column("private MB", taken),
        Column("resident MB", lambda m: m.peak_resident_bytes / 1e6),
    )


def taken(measured: Measured) -> float:
    return (measured.peak_private_bytes - measured.ready_private_bytes) / 1e6


def goals(measured: Mapping[str, Measured], sizes: Mapping[str, int]) -> Sequence[Goal]:
    long, short = (measured[f"{rows} rows: our index"] for rows in ("long", "short"))
    return (
        Goal("our index of long rows, MB/s", sizes["long"] / 1e6 / long.middle(wall), 400),
        Goal("its private MB", taken(long), 60, at_most=True),
        Goal("our index of short rows, private MB", taken(short), 60, at_most=True),
    )


if __name__ == "__main__":
    main()
