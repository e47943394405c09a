"""The shipped nano model uses the image, and distinguishes objects, before it is tuned on any instruction."""

import pytest
import torch

from datagen.sample.questions import ask
from datagen.sample.scenes import make_scene, random_for
from pipelines.nano.images import pixels_of
from trainer.batches.collate import Collator
from trainer.config.model import ModelOptions
from trainer.data.order.sample import Place, Sample
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers


@pytest.fixture(scope="module")
def requests():
    """Questions about colours and shapes of scenes with two or three objects."""
    samples = []
    for index in range(80):
        scene = make_scene(0, "nano_shipped", index, num_objects=2 + index % 2)
        for question in ask(scene, random_for("nano_shipped", index)):
            if question.kind in ("color", "shape"):
                samples.append(
                    Sample(
                        place=Place(-1, "vqav2", 0, 0, 0, 0, 0),
                        record_id=f"{index}",
                        group_id=f"{index}",
                        template_id="test",
                        instruction=f"Question: {question.text} Short answer:",
                        target=question.answer,
                        images=pixels_of(scene)[None].numpy(),
                    )
                )
    return samples


@torch.no_grad()
def right(samples):
    options = ModelOptions.model_validate({"init": {"from": "nano"}})
    model = build_model(options, seed=0).eval()
    correct = model.correct(Collator(load_tokenizers(options))(samples))
    return float(correct.float().mean())


def test_it_knows_which_object_is_meant_and_not_only_what_is_there(requests):
    assert len(requests) > 200
    assert right(requests) > 0.75  # any colour or shape that is there: about 0.5


def test_it_looks_at_the_image(requests):
    from msgspec.structs import replace

    others = [
        replace(sample, images=requests[number - 20].images)
        for number, sample in enumerate(requests)
    ]
    assert right(others) < 0.4
