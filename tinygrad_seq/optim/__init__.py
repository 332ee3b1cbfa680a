"""Training: optimizers, bounds for exploding gradients, schedules of the learning rate."""

from typing import NoReturn

from tinygrad_seq import habits
from tinygrad_seq.optim.clipping import clip_grad_norm_, clip_grad_value_
from tinygrad_seq.optim.methods import SGD, Adam, AdamW, RMSprop
from tinygrad_seq.optim.optimizer import Optimizer
from tinygrad_seq.optim.schedules import constant, cosine, step_decay, warmup

__all__ = [
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "SGD",
    "clip_grad_norm_",
    "clip_grad_value_",
    "constant",
    "cosine",
    "step_decay",
    "warmup",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(habits.say(name, "optim", habits.OPTIM), name=name)
