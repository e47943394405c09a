"""Reading the words in drawn images, and how many are read right.

`python -m benchmarks.ocr [--rows N] [--repetitions R] [--scratch DIR] [--out FILE.json]`; needs the extra `ocr`.
"""

from collections.abc import Mapping, Sequence

from benchmarks.harness.measure import Case, Measured, measure
from benchmarks.harness.report import RESOURCES, Column, Goal, Results, cpu
from benchmarks.harness.settings import settings
from benchmarks.reading_words.inputs import HEIGHT, SIZES, WIDTH, write_inputs

NAME = "ocr"
QUESTION = "How many images a second does one processor read, and how many words are right?"
PACKAGES = ("apache-beam", "rapidocr", "onnxruntime", "opencv-python-headless", "numpy", "pillow")
OURS = Case("ocr", "reading_words.ours", "`visinstruct ocr`, in one process.", ("736",))
FAST = Case("ocr, 480 px", "reading_words.ours", "with `--min-side 480`.", ("480",))
LOOP = Case("RapidOCR in a loop", "reading_words.plain_loop", "its defaults, on one thread.")
CASES = (OURS, FAST, LOOP)


def main() -> None:
    with settings(NAME, QUESTION, rows=40, repetitions=2) as chosen:
        write_inputs(chosen.source, chosen.rows)
        measured = measure(CASES, chosen.source, chosen.scratch, chosen.repetitions)
        results = Results(
            title="Reading the words in images",
            question=QUESTION,
            input=f"{images(measured[OURS.name])} images: the sample's covers of 144 x 144 pixels with one or two words "
            f"({drawn(measured, 'sample')} in all), and covers of {WIDTH} x {HEIGHT} pixels with lines of "
            f"{', '.join(map(str, SIZES))} pixels, noise, a turn of up to four degrees and JPEG quality 75 "
            f"({drawn(measured, 'covers')} words).",
            cases={case.name: case.what for case in CASES},
            measured=measured,
            columns=COLUMNS,
            goals=goals(measured),
            notes=[NOTE],
        )
        print(results.table(), *results.goals, sep="\n")
        results.write(chosen.out, PACKAGES)


NOTE = (
    "Precision and recall are of words without regard to case, image by image. The print is one typeface on plain grounds: real covers "
    "and photos are harder. Loading the weights is part of the time. The loop also looks for text that is upside down."
)


def images(measured: Measured) -> int:
    return int(measured.costs[0].reported["images"])


def drawn(measured: Mapping[str, Measured], kind: str) -> int:
    return int(measured[OURS.name].costs[0].reported[kind]["drawn"])


def precision(measured: Measured, kind: str) -> float:
    found = measured.costs[0].reported[kind]
    return float(found["both"] / max(1, found["read"]))


def recall(measured: Measured, kind: str) -> float:
    found = measured.costs[0].reported[kind]
    return float(found["both"] / max(1, found["drawn"]))


COLUMNS: Sequence[Column] = (
    Column("images", images),
    Column("images/CPU-s", lambda m: images(m) / m.middle(cpu)),
    Column("sample: precision", lambda m: precision(m, "sample")),
    Column("recall", lambda m: recall(m, "sample")),
    Column("covers: precision", lambda m: precision(m, "covers")),
    Column("recall of covers", lambda m: recall(m, "covers")),
    *RESOURCES,
)


def goals(measured: Mapping[str, Measured]) -> Sequence[Goal]:
    spent = {name: each.least(cpu) for name, each in measured.items()}
    count = images(measured[OURS.name])
    return (
        Goal(f"{OURS.name}: images a CPU second", count / spent[OURS.name], 3),
        Goal(f"{FAST.name}: images a CPU second", count / spent[FAST.name]),
        Goal(f"{OURS.name} / {LOOP.name}, CPU seconds", spent[OURS.name] / spent[LOOP.name]),
        Goal(f"{OURS.name}: recall of the sample's words", recall(measured[OURS.name], "sample")),
        Goal(f"{OURS.name}: recall of the covers' words", recall(measured[OURS.name], "covers")),
        Goal(f"{FAST.name}: recall of the covers' words", recall(measured[FAST.name], "covers")),
    )


if __name__ == "__main__":
    main()
