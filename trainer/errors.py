"""The errors of the trainer that a user can cause or has to know of."""

from datagen.errors import UserError


class TrainingError(UserError):
    """Training cannot start or continue; the message says why, where and what to do."""


class ConfigError(TrainingError):
    """The configuration has errors; all of them are in the message."""


class DataError(TrainingError):
    """The dataset is not what it was, or too little of it can be read."""


class ModelError(TrainingError):
    """A checkpoint, tokenizer or model that does not fit."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be written, read, or resumed from."""


class DivergedError(TrainingError):
    """The loss or the gradient is not finite."""


class EvaluationError(TrainingError):
    """An evaluation or a score that cannot be made; the message names task and record."""
