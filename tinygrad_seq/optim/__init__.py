"""Optimizers, averages of weights, gradient clipping, and schedules of the learning rate.

An optimizer changes parameters in place; a schedule is a function of the step number without a state. Nothing
here needs to know a model, only its parameters: files import from `tensor` and lower layers.

>>> import tinygrad_seq as ts
>>> from tinygrad_seq import optim
>>> x = ts.tensor([3.0, -2.0], requires_grad=True)
>>> sgd, schedule = optim.SGD([x], lr=0.0, momentum=0.5), optim.warmup(3, optim.cosine(0.4, steps=30))
>>> for _ in range(33):
...     sgd.zero_grad()
...     (x * x).sum().backward()
...     norm = optim.clip_grad_norm_([x], 5.0)
...     sgd.lr = schedule(sgd.steps)
...     sgd.step()
>>> abs(x.numpy()).max() < 1e-3
np.True_
"""

from typing import NoReturn

from tinygrad_seq.optim.averages import EMA
from tinygrad_seq.optim.clipping import clip_grad_norm_, clip_grad_value_
from tinygrad_seq.optim.groups import by_name
from tinygrad_seq.optim.methods import SGD, Adam, AdamW, RMSprop
from tinygrad_seq.optim.optimizer import Optimizer
from tinygrad_seq.optim.schedules import constant, cosine, step_decay, warmup
from tinygrad_seq.tensor import habits

__all__ = [
    "Adam",
    "AdamW",
    "EMA",
    "Optimizer",
    "RMSprop",
    "SGD",
    "by_name",
    "clip_grad_norm_",
    "clip_grad_value_",
    "constant",
    "cosine",
    "step_decay",
    "warmup",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(habits.say(name, "optim", habits.OPTIM), name=name)
