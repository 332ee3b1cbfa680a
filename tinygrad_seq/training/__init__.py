"""Training: the loop, the log, checkpoints and exact resumption, and the command line that the examples share.

What any training run needs may stand here, whatever the model; a model, a loss or a task may not. These modules
import `tensor`, `optim`, `engine` and what lies below them, but not `nn`: a model arrives through a `Task`.
"""

from tinygrad_seq.training.learner import Learner, Race, command, curves, history, options, verdict
from tinygrad_seq.training.train import CheckpointError, Task, train, trained

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
