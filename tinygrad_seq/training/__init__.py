"""Training: the loop, the log, checkpoints and exact resumption, and the command line that the examples share.

This folder is for code that a training run of any model needs; models, losses and tasks belong elsewhere. Its
modules may import `tensor`, `optim`, `engine` and lower ones, but not `nn`: a `Task` brings the model.
"""

from tinygrad_seq.training.checkpoints import CheckpointError
from tinygrad_seq.training.learner import Learner, Race, command, curves, history, options, verdict
from tinygrad_seq.training.task import Task
from tinygrad_seq.training.train import train, trained

__all__ = [
    # train any task
    "train",
    "trained",
    "Task",
    "CheckpointError",
    # what most examples share
    "Learner",
    "Race",
    "command",
    "options",
    "curves",
    "history",
    "verdict",
]
