"""Training of links: models stay frozen, thoughts are fitted to what agents, or their readers, should say."""

from recursivemas.training.rows import Skipped, Target, TrainingRow, as_training_rows, read_training_rows
from recursivemas.training.settings import InnerSettings, OuterSettings
from recursivemas.training.train import Trained, train_inner, train_outer

__all__ = [
    "InnerSettings",
    "OuterSettings",
    "Skipped",
    "Target",
    "Trained",
    "TrainingRow",
    "as_training_rows",
    "read_training_rows",
    "train_inner",
    "train_outer",
]
