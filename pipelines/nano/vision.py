"""Stage 1: the image encoder learns to say of every patch what lies in it and where it is.

Without the place as a label it forgets where a patch is: attributes alone do not need it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import InstructBlipVisionModel

from datagen.sample.scenes import make_scene
from pipelines.nano.images import NUM_KINDS, labels, normalized, pixels
from pipelines.nano.optimize import Recipe, Say, optimize


def pretrain_vision(
    model: InstructBlipVisionModel, recipe: Recipe, num_images: int, seed: int, say: Say
) -> float:
    """Train all of the encoder; returns the last mean loss, summed over the labels."""
    scenes = [make_scene(seed, "nano_vision", index) for index in range(num_images)]
    images, answers = pixels(scenes), labels(scenes)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    head = nn.Linear(model.config.hidden_size, sum(NUM_KINDS))
    model.train()

    def loss_of(step: int) -> Tensor:
        some = torch.randint(len(scenes), (recipe.batch,), generator=generator)
        patches = model(normalized(images[some])).last_hidden_state[:, 1:]
        return patch_loss(head(patches), answers[some])

    loss = optimize("vision", [*model.parameters(), *head.parameters()], recipe, loss_of, say)
    model.train(False)
    return loss


def patch_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropies of `logits` [scenes, cells, values], one for each label, summed."""
    parts = torch.split(logits, list(NUM_KINDS), -1)
    losses = [
        functional.cross_entropy(part.flatten(0, 1), answers[..., number].flatten())
        for number, part in enumerate(parts)
    ]
    return torch.stack(losses).sum()


@torch.no_grad()
def features(model: InstructBlipVisionModel, images: Tensor) -> Tensor:
    """The encoder's last states, [images, 1 + patches, width], of uint8 images."""
    parts = [model(normalized(some)).last_hidden_state for some in torch.split(images, 256)]
    return torch.cat(parts)
