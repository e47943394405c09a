"""The public API: a few names over the other packages, imported on first use.

Import it as `import visinstruct`. That imports neither PyTorch nor Beam; `load_model`, and samples with
images, import PyTorch when they are used and need `pip install 'visinstruct[train]'`.
May import every package but `pipelines`.

Examples:
    >>> import visinstruct
    >>> dataset = visinstruct.open_dataset("data/instruct")  # doctest: +SKIP
    >>> record = dataset.record("vqav2", "train", 17)  # doctest: +SKIP
    >>> visinstruct.render(record, "instruct", draw=1).instruction  # doctest: +SKIP
    'Question: what colour is the bus? Short answer:'
    >>> model = visinstruct.load_model("nano")  # doctest: +SKIP
    >>> model.answer("bus.jpg", "Question: what colour is the bus? Short answer:")  # doctest: +SKIP
    'red'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datagen.dataset import BuiltDataset, open_dataset
    from datagen.mixture import MixtureOptions, MixturePart
    from datagen.render import Draw
    from datagen.schema.manifest import Manifest
    from datagen.schema.record import Record
    from templates.library import TemplateSet, load_templates
    from trainer.config.data import DataOptions
    from trainer.data.order.sample import Sample
    from trainer.data.stream import Stream
    from visinstruct.data import evaluation_prompt, mixture, open_stream, render
    from visinstruct.model import RankedCandidate, VisionLanguageModel, load_model

__all__ = [
    "BuiltDataset",
    "DataOptions",
    "Draw",
    "Manifest",
    "MixtureOptions",
    "MixturePart",
    "RankedCandidate",
    "Record",
    "Sample",
    "Stream",
    "TemplateSet",
    "VisionLanguageModel",
    "evaluation_prompt",
    "load_model",
    "load_templates",
    "mixture",
    "open_dataset",
    "open_stream",
    "render",
]

_MODULES = {
    "BuiltDataset": "datagen.dataset",
    "DataOptions": "trainer.config.data",
    "Draw": "datagen.render",
    "Manifest": "datagen.schema.manifest",
    "MixtureOptions": "datagen.mixture",
    "MixturePart": "datagen.mixture",
    "RankedCandidate": "visinstruct.model",
    "Record": "datagen.schema.record",
    "Sample": "trainer.data.order.sample",
    "Stream": "trainer.data.stream",
    "TemplateSet": "templates.library",
    "VisionLanguageModel": "visinstruct.model",
    "evaluation_prompt": "visinstruct.data",
    "load_model": "visinstruct.model",
    "load_templates": "templates.library",
    "mixture": "visinstruct.data",
    "open_dataset": "datagen.dataset",
    "open_stream": "visinstruct.data",
    "render": "visinstruct.data",
}
"""The module that defines each public name."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
