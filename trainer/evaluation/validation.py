"""Scores of held-in validation splits while a model is trained: the evaluation's own, on the run's model.

`validation.tasks` names held-in tasks; each is evaluated on the validation split of the run's dataset, `rows`
records at most, under its protocol, and scored with its metric. Held-out sources are refused: their
scores are the experiment's result, and a checkpoint must not be chosen by them.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from datagen.stores.any_files import AnyFiles
from trainer.config.run import ValidationOptions
from trainer.data.reading.record_images import RecordImages
from trainer.data.stream import Stream
from trainer.errors import ConfigError
from trainer.evaluation.inference.adapter import ModelAdapter
from trainer.evaluation.inference.infer import Inference
from trainer.evaluation.inference.preflight import Preflight
from trainer.evaluation.metrics.table import metric as metric_named
from trainer.evaluation.predictions.prediction import Prediction
from trainer.evaluation.scoring.scoring import printed
from trainer.evaluation.tasks.records import SplitRecords, read_vocabulary
from trainer.evaluation.tasks.tasks import HELD_OUT, Task, choose_tasks, protocols_for
from trainer.launch.distributed import World
from trainer.model.model import Model
from trainer.model.tokens import Tokenizers
from trainer.run.engine import Engine

SPLIT = "val"


class ScoredValidation:
    """Evaluates the tasks of `options.tasks`, with the records divided over the processes.

    Raises:
        ConfigError: a task is held out, or the engine divides the model over processes.
        EvaluationError: the dataset has no validation split of a task, or it cannot be scored.
    """

    def __init__(
        self,
        stream: Stream,
        model: Model,
        tokenizers: Tokenizers,
        options: ValidationOptions,
        batch_size: int,
        world: World,
        stage: int,
    ) -> None:
        if stage == 3:
            raise ConfigError(
                "validation.tasks does not go with ZeRO stage 3: processes write texts of different lengths, "
                "and each step gathers the weights of all; take stage 1 or 2"
            )
        self._model, self._tokenizers, self._world = model, tokenizers, world
        self._asking = [
            self._open(stream, task, options, batch_size) for task in _tasks(stream, options)
        ]
        self._rows = options.rows

    def run(self, engine: Engine) -> dict[str, float]:
        """`score`, the mean over tasks, and `score.<task>`, as papers print them; collective."""
        with engine.evaluating():
            dtype = next(self._model.hf.language_model.parameters()).dtype
            adapter = ModelAdapter(self._model, self._tokenizers, self._world.device, dtype)
            responses: dict[Hashable, list[Prediction]] = {}
            scores = {
                each.task.protocol.name: self._score(each, adapter, responses)
                for each in self._asking
            }
        mean = sum(scores.values()) / len(scores)
        return {"score": mean} | {f"score.{name}": value for name, value in scores.items()}

    def _score(
        self,
        opened: "_Opened",
        adapter: ModelAdapter,
        responses: dict[Hashable, list[Prediction]],
    ) -> float:
        """Score a task; tasks with the same inference share `responses`."""
        if opened.task.inference not in responses:
            responses[opened.task.inference] = self._predict(opened, adapter)
        metric = metric_named(opened.task.rules.metric, captions="own")
        scored = metric.score(responses[opened.task.inference])
        headline, measure = next(iter(scored.measures.items()))
        value = printed(metric, headline, measure.value())
        return float("nan") if value is None else value

    def _predict(self, opened: "_Opened", adapter: ModelAdapter) -> list[Prediction]:
        """Return the predictions of all processes, in the order of the records; collective."""
        count = min(self._rows, len(opened.records))
        mine = range(count)[self._world.rank :: self._world.size]
        inference = Inference(
            task=opened.task,
            adapter=adapter,
            records=opened.records,
            images=opened.images,
            vocabulary=opened.vocabulary,
            batch_size=opened.batch_size,
        )
        found: list[Prediction] = [
            each for part in self._world.gather(inference.predict(mine)) for each in part
        ]
        return sorted(found, key=lambda each: each.number)

    def _open(
        self, stream: Stream, task: Task, options: ValidationOptions, batch_size: int
    ) -> "_Opened":
        files, data = AnyFiles(), stream.options.dataset
        records = SplitRecords(data, stream.manifest, task.source, task.split, files, "size")
        vocabulary = None
        if task.rules.candidates == "vocabulary":
            splits = task.rules.vocabulary_splits
            vocabulary = read_vocabulary(data, stream.manifest, task.source, files, splits)
        metric = metric_named(task.rules.metric, captions="own")
        Preflight(task, records, metric, vocabulary, options.rows).check()
        images = RecordImages(stream.options.image_roots, files)
        return _Opened(task, records, images, vocabulary, batch_size)


@dataclass(frozen=True)
class _Opened:
    """A task and its records, opened once."""

    task: Task
    records: SplitRecords
    images: RecordImages
    vocabulary: tuple[str, ...] | None
    batch_size: int


def _tasks(stream: Stream, options: ValidationOptions) -> Sequence[Task]:
    _refuse_held_out(name for name in options.tasks if name.partition(".")[0] in HELD_OUT)
    protocols = protocols_for(stream.manifest, stream.options.template_dir)
    names = [f"{name}@{SPLIT}" for name in options.tasks]
    tasks = choose_tasks(names, protocols, stream.manifest).tasks
    _refuse_held_out(task.protocol.name for task in tasks if task.source in HELD_OUT)
    return tasks


def _refuse_held_out(names: Iterable[str]) -> None:
    if held_out := list(names):
        raise ConfigError(
            f"validation.tasks: {', '.join(held_out)} is held out; a checkpoint must not be chosen by it. "
            "Evaluate it when the run is done (`visinstruct evaluate`)"
        )
