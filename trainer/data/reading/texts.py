"""Instruction and target of a sample: a draw of its record, or the texts that the build stored."""

from datagen.errors import RowRejectedError
from datagen.mixture import MixtureOptions
from datagen.render import draw
from datagen.schema.manifest import Manifest
from datagen.schema.record import Record
from templates.errors import TemplateSetError
from templates.library import SourceTemplates, TemplateSet, load_templates
from trainer.config.data import DataOptions
from trainer.data.order.sample import Place, Replacement, Sample
from trainer.errors import DataError

_REDRAWS = 16
_REDRAW_STRIDE = 2**40  # far from the draws that other epochs use


class UnrenderableError(Exception):
    """A record of which no draw can be rendered; the message names template and field."""


class Texts:
    """The texts of a run's samples. `hash` names the template set that they are of.

    Raises:
        DataError: the template set cannot be loaded, or is not the one that the texts to be used
            were rendered with.
    """

    def __init__(self, manifest: Manifest, options: DataOptions) -> None:
        self._manifest = manifest
        self._templates = _templates(manifest, options)
        self._of: dict[str, SourceTemplates] = {}
        self._render_seed = manifest.render_seed
        self._stored = options.render == "stored"
        self.hash = manifest.template_hash
        if self._templates is not None:
            self.hash = self._templates.hash_with(manifest.own_prompts())

    def sample(self, place: Place, record: Record) -> Sample:
        """Return the sample without images.

        If the draw's template cannot be rendered, the first of `_REDRAWS` far draws of the record that
        can is used instead, and named in `Sample.replaced`.

        Raises:
            UnrenderableError: none of these draws can be rendered.
            DataError: the record's answers are hidden.
        """
        if self._stored or self._templates is None:
            return stored_sample(place, record)
        example, failed = record.example(), None
        if record.source not in self._of:
            spec = self._manifest.prompts(record.source, record.task)
            self._of[record.source] = self._templates.of(spec)
        templates = self._of[record.source]
        for attempt in range(_REDRAWS + 1):
            number = place.draw + attempt * _REDRAW_STRIDE
            try:
                made = draw(example, templates, self._render_seed, number)
            except RowRejectedError as error:
                failed = failed or f"draw {place.draw} cannot be rendered: {error.message}"
                continue
            item = Replacement(place.k, place.attempt, record.record_id, failed or "", redrawn=True)
            return Sample(
                place=place,
                record_id=record.record_id,
                group_id=record.group_id,
                template_id=made.template_id,
                instruction=made.instruction,
                target=_known(made.target, record),
                replaced=(item,) if failed else (),
            )
        raise UnrenderableError(f"{failed}; nor can {_REDRAWS} other draws")


def stored_sample(place: Place, record: Record) -> Sample:
    """The texts that the build stored, which are draw 0 or an evaluation prompt."""
    return Sample(
        place=place,
        record_id=record.record_id,
        group_id=record.group_id,
        template_id=record.template_id,
        instruction=record.instruction,
        target=_known(record.target, record),
    )


def _known(target: str | None, record: Record) -> str:
    if not target:
        raise DataError(f"{record.record_id} has no target to train on: its answers are hidden")
    return target


def _templates(manifest: Manifest, options: DataOptions) -> TemplateSet | None:
    """The templates of the run; None where only stored texts are used."""
    if options.render == "stored" and options.template_dir is None:
        return None
    try:
        templates = load_templates(options.template_dir or manifest.template_set)
    except TemplateSetError as error:
        raise DataError(
            f"the templates of {options.dataset} ({manifest.template_set!r}) cannot be loaded; set "
            f"data.template_dir to their folder, or data.render to stored: {error}"
        ) from None
    used = templates.hash_with(manifest.own_prompts())
    if options.render == "stored" and used != manifest.template_hash:
        raise DataError(
            f"data.render is stored, but {options.template_dir} is not the template set that "
            f"{options.dataset} was rendered with; use render: fresh, or no template_dir"
        )
    return templates


def refuse_untrained(
    manifest: Manifest, splits: dict[str, tuple[str, ...]], options: DataOptions
) -> None:
    """Refuse stored texts of `splits` that were built for evaluation.

    Raises:
        DataError: says which.
    """
    if options.render != "stored":
        return
    built = MixtureOptions.model_validate(manifest.options["mixture"])
    is_old = manifest.schema_version < 2  # other splits than train had evaluation prompts always
    for source, names in splits.items():
        trained = built.trained_splits(source) if source in manifest.mixture else ()
        for split in names:
            if split not in trained or (is_old and split != "train"):
                raise DataError(
                    f"{source}/{split} was built with evaluation prompts: data.render must be fresh"
                )
