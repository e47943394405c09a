"""Rendering, mixture and training stream of a built dataset."""

from datagen.dataset import BuiltDataset
from datagen.errors import OptionError, RowRejectedError, nearest
from datagen.mixture import MixtureOptions, MixturePart, mix
from datagen.render import Chance, Draw, evaluation
from datagen.render import draw as draw_example
from datagen.schema.record import Record
from templates.library import TemplateSet, load_protocols, load_templates
from templates.prompt_spec import PromptSpec, published_spec
from templates.tasks import SOURCES
from trainer.config.data import DataOptions
from trainer.data.order import sources
from trainer.data.stream import Stream


def render(
    record: Record,
    templates: TemplateSet | str = "instruct",
    *,
    draw: int = 0,
    seed: int = 0,
    spec: PromptSpec | None = None,
) -> Draw:
    """Render a training record with a template set.

    The result is a function of the arguments alone. Draw 0 with the dataset's own template set and
    seed (`manifest.render_seed`) is what the build stored.

    Args:
        record: a record of a source that the template set has templates for.
        templates: a template set, its folder, or the name of a shipped one: `instruct`, `plain`,
            `task_dataset_prefix`.
        draw: number of the draw, from 0. It chooses the template, the answer and the form.
        seed: seed of the choice.
        spec: title, tasks and styles of the record's source; by default those of the 26 sources. For
            another source: `dataset.manifest.prompts(record.source, record.task)`.

    Returns:
        `template_id`, `instruction`, `target` and `references`; the last two are None where the
        answers are hidden.

    Raises:
        OptionError: no template fits the record, the text is too long, or `spec` is missing.
        TemplateSetError: the folder does not hold a valid template set.

    Examples:
        >>> record = open_dataset("data/instruct").record("vqav2", "train", 0)  # doctest: +SKIP
        >>> [render(record, draw=n).template_id for n in range(2)]  # doctest: +SKIP
        ['vqa.short_answer.3', 'vqa.short_answer.7']
    """
    if isinstance(templates, str):
        templates = load_templates(templates)
    if spec is None:
        if record.source not in SOURCES:
            raise OptionError(
                f"{record.source!r} is not one of the 26 sources; pass "
                "spec=dataset.manifest.prompts(record.source, record.task)"
            )
        spec = published_spec(record.source, record.task)
    try:
        return draw_example(record.example(), templates.of(spec), seed, draw)
    except RowRejectedError as error:
        raise OptionError(
            f"{record.record_id} cannot be rendered with template set {templates.name}: {error.message}"
        ) from None


def evaluation_prompt(
    record: Record,
    protocol: str | None = None,
    *,
    template_dir: str | None = None,
    title: str | None = None,
) -> str:
    """Return the prompt that an evaluation gives the model for a record.

    Args:
        record: a record of any split.
        protocol: name of a protocol, such as `gqa.lmms_eval`; by default the source's own.
        template_dir: folder with a subfolder `protocol/` of your own protocols.
        title: name of the record's dataset, which few prompts show; by default that of the 26 sources.

    Raises:
        OptionError: there is no such protocol, or it needs a field that the record lacks.
        TemplateSetError: `template_dir` does not hold valid protocols.
    """
    protocols = load_protocols(template_dir)
    name = protocol or record.source
    if name not in protocols:
        raise OptionError(f"unknown protocol {name!r}{nearest(name, protocols)}")
    title = title or SOURCES.get(record.source, record.source)
    try:
        return evaluation(record.example(), protocols[name], Chance(0, 0, 0, 0), title).instruction
    except RowRejectedError as error:
        raise OptionError(f"{record.record_id}: {error.message}") from None


def mixture(dataset: BuiltDataset, options: MixtureOptions | None = None) -> dict[str, MixturePart]:
    """Return the mixture of a dataset's training sets.

    Args:
        dataset: a built dataset.
        options: rule, factors and splits; by default those that the dataset was built with.

    Returns:
        Size, factor and sampling probability of each source. The probabilities sum to 1;
        `part.epochs(samples)` is the expected number of epochs over the source.

    Raises:
        OptionError: a factor is not a finite number of 0 or more, or leaves nothing to draw from.
    """
    manifest = dataset.manifest
    options = options or MixtureOptions.model_validate(manifest.options["mixture"])
    sizes = {
        source: sum(shard.rows for shard in sources.trained_shards(manifest, options, source))
        for source in manifest.mixture
    }
    return mix(sizes, options)


def open_stream(dataset: str | DataOptions, *, seed: int = 0) -> Stream:
    """Open the training stream of a dataset.

    `stream.sample(k)` is sample k of a training run with this seed: text, and images as uint8
    [frames, 3, side, side], which needs PyTorch. `stream.texts([k])` gives samples without images.
    Sample k depends on nothing but the options, the seed and k.

    Args:
        dataset: folder or URL of a built dataset, or the `data` section of a run's configuration.
        seed: the run's seed.

    Raises:
        OutputError: there is no dataset, or it is of another version.
        DataError: the dataset cannot be trained on with these options.

    Examples:
        >>> stream = open_stream("data/instruct", seed=1)  # doctest: +SKIP
        >>> stream.texts([10_000_000])[0].instruction  # doctest: +SKIP
        'Question: what colour is the bus? Short answer:'
    """
    options = DataOptions(dataset=dataset) if isinstance(dataset, str) else dataset
    return Stream.open(options, seed)
