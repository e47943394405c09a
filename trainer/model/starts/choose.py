"""The start that a configuration names: the one place that knows all kinds."""

from trainer.config.model import (
    FromBlip2,
    FromInstructBlip,
    FromLavis,
    FromNano,
    FromRandom,
)
from trainer.config.model import (
    Start as StartOptions,
)
from trainer.model.starts.blip2 import Blip2Start
from trainer.model.starts.instructblip import InstructBlipStart
from trainer.model.starts.lavis import LavisStart
from trainer.model.starts.nano.start import NanoStart
from trainer.model.starts.random_start import RandomStart
from trainer.model.starts.start import Start


def choose_start(options: StartOptions) -> Start:
    """Return the start that `model.init` names."""
    match options:
        case FromInstructBlip():
            return InstructBlipStart(options)
        case FromBlip2():
            return Blip2Start(options)
        case FromLavis():
            return LavisStart(options)
        case FromNano():
            return NanoStart(options)
        case FromRandom():
            return RandomStart(options)
