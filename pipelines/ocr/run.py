"""Reading the words of a folder's images, on any Beam runner.

The process that starts it lists the images; Beam reads them in small parts; then the process puts the results into one
file. What was stopped resumes: images whose result is there are not read again, unless their file changed.
"""

import importlib.util
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from datagen.errors import OutputError
from datagen.files import is_url
from datagen.stores.any_files import AnyFiles
from datagen.stores.connect import StoreSettings
from pipelines.build.execute import run_pipeline
from pipelines.build.progress import Reporter
from pipelines.build.publish import output_held_beside
from pipelines.build.workers import set_workers
from pipelines.console import messages
from pipelines.interrupt import check_stopped, remembering_ctrl_c
from pipelines.ocr.graph import OcrWork, ocr_graph
from pipelines.ocr.images import Listing, Naming, list_images
from pipelines.ocr.reader import OcrOptions, RapidReader, Reader
from pipelines.ocr.results import OcrResult, PartFiles, held_lines, token_line

PART_IMAGES = 16
"""Images of a part: so many are read again at most after a kill."""
IMAGES_PER_WORKER = 100
WORKER_BYTES = 1 << 30
STATE_SUFFIX = ".reading"
REJECTED_SUFFIX = ".rejected.jsonl"


@dataclass(frozen=True)
class OcrReport:
    """Images that were held before, read with and without words, and rejected by reason; words of those read."""

    num_held: int
    num_read: int
    num_without_words: int
    num_words: int
    rejected: Counter[str]
    num_others: int
    rejected_path: str

    @property
    def rejected_fraction(self) -> float:
        total = self.num_read + self.rejected.total()
        return self.rejected.total() / max(total, 1)


def read_words(
    folder: str,
    out: str,
    options: OcrOptions,
    beam_options: PipelineOptions,
    *,
    naming: Naming = "path",
    again: bool = False,
    workers: int | None = None,
    make_reader: Callable[[OcrOptions], Reader] = RapidReader,
    console: Console | None = None,
) -> OcrReport:
    """Read the words of all images below `folder` that `out` does not hold yet, and add them there.

    Args:
        folder: Folder or URL of the images.
        out: File of tokens, one image a line, in the order of the images' paths.
        options: As each worker reads.
        beam_options: The engine.
        naming: What names an image in `out`.
        again: Read images that `out` holds too.
        workers: Processes on this machine; None for as many as pay off.
        make_reader: Makes the reader of each process.
        console: Where progress goes, by default standard error.

    Raises:
        UserError: the folder or `out` cannot be used, or the pipeline failed.
        ModuleNotFoundError: the extra `ocr` is not installed.
    """
    if make_reader is RapidReader:
        _check_installed()
    console = console or messages()
    reporter, files = Reporter(console), AnyFiles()
    for path in filter(is_url, [folder, out]):
        files.store.check_reachable(path, writes=path == out)
    state = f"{out}{STATE_SUFFIX}"
    say = partial(console.print, highlight=False, markup=False)
    if not is_url(out) and os.path.isdir(out):
        raise OutputError(
            f"{out} is a folder; --out is the file of tokens, such as {out}/ocr_tokens.jsonl"
        )
    held_out = output_held_beside(
        out,
        state,
        say,
        no_folder=f"{os.path.dirname(out)} is no folder; give another --out",
        busy=f"another process is writing {out}; wait for it",
    )
    with held_out as check_held, remembering_ctrl_c():
        with reporter.stage("list", folder):
            listing = list_images(folder, naming, files)
            held = held_lines(files, out)
        parts = PartFiles(files, f"{state}/parts")
        wanted = [path for i, path in listing.images.items() if again or i not in held]
        current = partial(_is_current, folder=folder.rstrip("/"), files=files)
        done = {each.image for each in parts if current(each)}
        left = [path for path in wanted if path not in done]
        if done:
            say(f"resumed: {len(wanted) - len(left):,} images were read before it was stopped")
        set_workers(
            beam_options, workers, len(left), WORKER_BYTES, rows_per_worker=IMAGES_PER_WORKER
        )
        stores = StoreSettings.of_this_process([folder, out])
        work = OcrWork(folder.rstrip("/"), f"{state}/parts", options, stores, make_reader)
        before = len(parts)
        if left:
            with reporter.count("images", len(left), "images", lambda: len(parts) - before):
                pipeline = beam.Pipeline(options=beam_options)
                chunks = [left[n : n + PART_IMAGES] for n in range(0, len(left), PART_IMAGES)]
                ocr_graph(pipeline, work, chunks)
                kept = "what is done is kept: start the same command again"
                run_pipeline(pipeline, f"{state}/error.log", files, "reading", kept)
        check_stopped()
        check_held()
        report = _publish(listing, set(wanted), parts, out, held, current, files)
        if is_url(state):
            files.store.remove(files.store.below(state))
        else:
            shutil.rmtree(state, ignore_errors=True)
    return report


def _check_installed() -> None:
    for package in ("rapidocr", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"no module named {package!r}", name=package)


def _is_current(result: OcrResult, folder: str, files: AnyFiles) -> bool:
    """Return True if the file of an image has not changed since it was read."""
    place = f"{folder}/{result.image}"
    try:
        return bool(result.state) and files.state(place) == result.state
    except OSError:
        return False


def _publish(
    listing: Listing,
    wanted: Collection[str],
    parts: PartFiles,
    out: str,
    held: Mapping[str, bytes],
    current: Callable[[OcrResult], bool],
    files: AnyFiles,
) -> OcrReport:
    """Write the tokens, after those held that were not read again, and the rejected images beside them.

    Raises:
        OutputError: an image has no result.
    """
    latest: dict[str, OcrResult] = {}
    for each in parts:
        known = latest.get(each.image)
        if known is None or known.state == each.state or current(each):
            latest[each.image] = each
    lost = [path for path in wanted if path not in latest]
    if lost:
        raise OutputError(
            f"{len(lost):,} images have no result, {lost[0]} first; what is done is kept: start the same command again"
        )
    rejected = [
        OcrResult(path, "", reason=reason, message=message)
        for path, reason, message in listing.refused
    ]
    read_again = {i for i, path in listing.images.items() if path in wanted}
    num_read = num_without_words = num_words = 0
    with files.create(out) as file:
        for image_id, line in held.items():
            if image_id not in read_again:
                file.write(line + b"\n")
        for image_id, path in listing.images.items():
            if path not in wanted:
                continue
            result = latest[path]
            if result.words is None:
                rejected.append(result)
                continue
            file.write(token_line(image_id, result.words) + b"\n")
            num_read += 1
            num_without_words += not result.words
            num_words += len(result.words)
    rejected_path = f"{out.removesuffix('.jsonl')}{REJECTED_SUFFIX}"
    if rejected:
        with files.create(rejected_path) as file:
            for each in rejected:
                row = {"image": each.image, "reason": each.reason, "message": each.message}
                file.write(json.dumps(row).encode() + b"\n")
    else:
        files.remove([rejected_path])
    return OcrReport(
        num_held=len(listing.images) - len(wanted),
        num_read=num_read,
        num_without_words=num_without_words,
        num_words=num_words,
        rejected=Counter(str(each.reason) for each in rejected),
        num_others=listing.num_others,
        rejected_path=rejected_path,
    )
