"""The output of an evaluation: the table on the terminal, and the HTML report."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from datagen.schema.manifest import read_manifest
from datagen.stores.any_files import AnyFiles
from trainer.data.reading.record_images import RecordImages, UnreadableError
from trainer.errors import DataError, EvaluationError
from trainer.evaluation.predictions.prediction import Prediction
from trainer.evaluation.report.report import write_report
from trainer.evaluation.scoring.results import Results
from trainer.evaluation.scoring.scoring import samples_file
from trainer.evaluation.scoring.table import print_results
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.evaluation.tasks.records import SplitRecords


def report_results(options: EvaluationOptions, results: Results) -> None:
    """Print the table, and write `report.html` unless it is not wanted."""
    print_results(results, notes=not options.brief)
    print(f"\nresults and samples: {options.output}")
    if options.report:
        report = make_report(options.output, results, options.data, options.image_roots)
        print(f"report: {report}")


def make_report(output: Path, results: Results, data: str, image_roots: Mapping[str, str]) -> Path:
    """The report of an evaluation, with images out of the dataset it was made of.

    Raises:
        EvaluationError: `data` is another dataset.
    """
    samples = {
        name: samples_file(output, name)
        for name, task in results.tasks.items()
        if task.num_requests
    }
    images = _image_reader(results, data, image_roots)
    return write_report(output, msgspec.to_builtins(results), samples, images)


def _image_reader(
    results: Results, data: str, image_roots: Mapping[str, str]
) -> Callable[[str, Prediction], Sequence[bytes]]:
    """Reads the images of a prediction, encoded as they are; none where they cannot be read."""
    files = AnyFiles()
    manifest = read_manifest(data.rstrip("/"), files)
    if manifest.content_hash != results.dataset.get("content_hash"):
        raise EvaluationError(
            f"{data} is not the dataset that was evaluated: its content hash differs"
        )
    finder = RecordImages(image_roots, files)
    opened: dict[str, SplitRecords] = {}

    def read(task: str, prediction: Prediction) -> Sequence[bytes]:
        if task not in opened:
            result = results.tasks[task]
            opened[task] = SplitRecords(data, manifest, result.source, result.split, files, "size")
        [record] = opened[task].rows([prediction.number])
        try:
            return finder.encoded(record)
        except (UnreadableError, DataError):
            return []

    return read
