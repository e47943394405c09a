"""Execution: the graph of a build runs on an engine, and what goes wrong there becomes one sentence."""

import re
import traceback
from contextlib import AbstractContextManager, nullcontext

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult

from datagen.errors import RowFailedError, UserError
from datagen.files import Files
from pipelines.build.watch import Watch, answer_of, watching
from pipelines.build.work import Work, build_graph

_OURS = re.compile(r"^(?:datagen|pipelines)\.[\w.]+Error: (.*)$", re.MULTILINE)
_SYSTEMS = re.compile(r"^(?:\w+: )*\w*Error: \[Errno \d+\] (.*)$", re.MULTILINE)
_STOPPED = re.compile(r"^(?:\w+: )?KeyboardInterrupt\b", re.MULTILINE)
_REFUSALS = ("You must specify a --job_endpoint", "Unable to fetch remote job server jar")
_WHERE = re.compile(r" \[while running '[^']*'\]")


def execute(work: Work, beam_options: PipelineOptions, log: str, files: Files) -> str:
    """Run the graph of a build and return the name of the engine that really ran it.

    Raises:
        UserError: it failed. The traceback of a bug is in the file `log`, not on the terminal.
        EngineError: the engine stopped, or its workers stand still.
    """
    pipeline = beam.Pipeline(options=beam_options)
    build_graph(pipeline, work)
    total = len(work.range_keys()) + sum(split.num_shards for split in work.plan.splits)
    watch = watching(work.staging, files, 60 * work.options.stall_minutes, total)
    kept = "nothing was published and what is done is kept"
    return engine_of(run_pipeline(pipeline, log, files, "the build", kept, watch), beam_options)


def run_pipeline(
    pipeline: beam.Pipeline,
    log: str,
    files: Files,
    what: str,
    consequence: str,
    watch: AbstractContextManager[Watch | None] | None = None,
) -> PipelineResult:
    """Run a pipeline to its end; `what` it is and the `consequence` of a failure are for the message.

    `watch` may interrupt it. What still runs elsewhere when it fails is cancelled.

    Raises:
        UserError: it failed. The traceback of a bug is in the file `log`, not on the terminal.
    """
    result = None
    try:
        with watch or nullcontext() as watched:
            result = pipeline.run()
            if watched is not None:
                watched.follow(result)
            result.wait_until_finish()
    except KeyboardInterrupt:
        _cancel(result)
        raise
    except Exception as error:
        _cancel(result)
        raise _explained(error, log, files, what, consequence) from error
    return result


def engine_of(result: PipelineResult, beam_options: PipelineOptions) -> str:
    """Return the name of the engine that made a result: `DirectRunner` chooses among several."""
    module = type(result).__module__.rpartition(".")[2]
    runner = str(beam_options.view_as(StandardOptions).runner).rpartition(".")[2]
    direct = runner in ("DirectRunner", "SwitchingDirectRunner")
    if direct and module == "portable_runner":
        return "PrismRunner"
    if module != "fn_runner":
        return "BundleBasedDirectRunner" if direct else runner
    own = beam_options.view_as(DirectOptions)
    if own.direct_running_mode == "in_memory":
        return "FnApiRunner"
    return f"FnApiRunner, {own.direct_running_mode} {own.direct_num_workers}"


def _cancel(result: PipelineResult | None) -> None:
    """Ask the engine to stop: workers elsewhere would go on."""
    if result is not None:
        answer_of(result.cancel)


def _explained(
    error: Exception, log: str, files: Files, what: str, consequence: str
) -> BaseException:
    """Return the error to raise instead of what an engine raised."""
    if _STOPPED.search(str(error)):
        return KeyboardInterrupt()
    cause = user_error(error)
    is_bug = isinstance(error, RowFailedError) or "RowFailedError" in str(error)
    if cause is not None and not is_bug:
        return cause
    with files.create(log) as file:
        file.write("".join(traceback.format_exception(error)).encode(errors="replace"))
    text = str(error.args[0]).strip() if error.args else ""
    shown = cause or f"{type(error).__name__}: {text.rpartition(chr(10))[2]}"
    return UserError(
        f"{what} failed: {_WHERE.sub('', str(shown))}; {consequence}. The traceback is in {log}; "
        "please report it"
    )


def user_error(error: BaseException) -> UserError | None:
    """Return the error of ours, or of the system, that a worker raised; runners pass on only its text.

    Also a runner's own sentence, where it could not even begin.
    """
    text = str(error)
    if type(error).__name__ == "FutureTimeoutError":  # of gRPC, without a word
        return UserError("no job service answers at the address that --job_endpoint gives")
    if text.startswith(_REFUSALS):
        return UserError(text)
    found = (
        [text] if isinstance(error, UserError) else _OURS.findall(text) or _SYSTEMS.findall(text)
    )
    return UserError(_WHERE.sub("", found[-1])) if found else None
