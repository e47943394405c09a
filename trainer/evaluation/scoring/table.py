"""The table that an evaluation ends with: this run beside the paper, and everything that differs."""

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainer.evaluation.scoring.results import Average, Results, TaskResult, Value

WIDTH_OFF_TERMINAL = 120
MOST_PARTS = 6
"""Parts of a set that the table shows; all are in the results."""

METRICS: Mapping[str, str] = {
    "cider": "CIDEr",
    "visdial": "MRR",
    "auroc": "AUROC",
    "vqa_lavis": "VQA accuracy",
    "vqa_official_2021": "VQA accuracy (2021)",
    "vqa_evalai": "VQA accuracy (EvalAI)",
    "exact_match_lavis": "exact match",
    "exact_match": "exact match (raw)",
    "exact_match_text": "exact match",
    "choice_accuracy": "accuracy",
    "yes_no_accuracy": "accuracy",
    "aokvqa_direct": "direct answer",
    "ivqa": "iVQA accuracy",
}
"""Names of metrics in the table."""

AVERAGES = {"held_in": "held-in average (4 sets)", "held_out": "held-out average (8 sets)"}


def print_results(results: Results, console: Console | None = None, *, notes: bool = True) -> None:
    """Print the table and, with `notes`, how each task differs from the paper's evaluation."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console = Console(
            file=console.file, highlight=False, width=WIDTH_OFF_TERMINAL, soft_wrap=False
        )
    console.print(_table(results))
    for remark in _remarks(results, notes):
        console.print(Text(remark), soft_wrap=not console.is_terminal)


def _table(results: Results) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", no_wrap=True)
    table.add_column("split", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for name in ("this run", "±", "InstructBLIP", "BLIP-2", "records", "see"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, (name, task) in enumerate(results.tasks.items(), start=1):
        table.add_row(*_row(name, task, number))
    table.add_section()
    for name, average in results.averages.items():
        if average.value is not None:
            table.add_row(*_average_row(name, average))
    return table


def _row(name: str, task: TaskResult, number: int) -> list[str]:
    paper = task.paper if task.stands_in_for is None else {}
    return [
        name,
        f"{task.split}{'' if task.stands_in_for is None else ' *'}",
        METRICS.get(task.metric, task.metric),
        "- (server)" if task.status == "server" else _number(task.score),
        _error(task.score),
        _figure(paper.get("instructblip")),
        _figure(paper.get("blip2")),
        _count(task),
        str(number) if task.differences or task.notes else "",
    ]


def _count(task: TaskResult) -> str:
    """Records that count, of how many there should be."""
    if not task.num_requests:
        return "-"
    count = task.num_requests if task.status == "server" else task.num_scored
    total = task.num_records if task.expected_records is None else task.expected_records
    return f"{count:,}" if count == total else f"{count:,} of {total:,}"


def _average_row(name: str, average: Average) -> list[str]:
    marked = " *" if average.other_splits else ""
    value = f"{average.value:.1f}{marked}"
    return [
        AVERAGES[name],
        "",
        "",
        value,
        "",
        _figure(average.paper.get("instructblip")),
        _figure(average.paper.get("blip2")),
        "",
        "",
    ]


def _number(value: Value | None) -> str:
    return "-" if value is None or value.value is None else f"{value.value:.1f}"


def _error(value: Value | None) -> str:
    return "" if value is None or value.stderr is None else f"{value.stderr:.1f}"


def _with_error(value: Value) -> str:
    return _number(value) if value.stderr is None else f"{_number(value)} ± {value.stderr:.1f}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _remarks(results: Results, notes: bool) -> Iterator[str]:
    if results.backbone is None:
        yield "No numbers of the paper: the language model has none of its four sizes (--backbone chooses one)."
    if ignored := results.model.get("preprocessor_not_followed"):
        yield f"The checkpoint's preprocessor_config.json asks for {ignored}: a protocol's `image` decides about that"
    if any(task.stands_in_for for task in results.tasks.values()):
        yield "* another split than the protocol's"
    for note in results.dataset.get("notes", ()) if notes else ():
        yield f"dataset: {note}"
    for name, average in results.averages.items():
        if 0 < len(average.lacking) < len(average.sets):
            yield f"no {AVERAGES[name]}: it lacks {', '.join(average.lacking)}"
    for number, (name, task) in enumerate(results.tasks.items() if notes else (), start=1):
        lines = [*task.differences, *task.notes]
        beside = [
            f"{measure} {_number(value)}"
            for measure, value in task.values.items()
            if measure != task.headline
        ]
        if beside:
            lines.append(f"beside it: {', '.join(beside)}")
        for tag, parts in task.by.items():
            if 0 < len(parts) <= MOST_PARTS:
                listed = (f"{part} {_with_error(value)}" for part, value in parts.items())
                lines.append(f"by {tag.replace('_', ' ')}: {', '.join(listed)}")
        if lines:
            yield f"\n{number} {name}"
            yield from (f"  - {line}" for line in lines)
    if results.failed:
        yield "\nNOT SCORED:"
        yield from (f"  - {why}" for why in results.failed.values())
    if results.left_out:
        yield "\nnot evaluated:"
        yield from (f"  - {name}: {why}" for name, why in results.left_out.items())
