"""No functions: `import torch.nn.functional as F` is a habit, and the errors say where its functions are here.

>>> import tinygrad_seq.nn.functional as F
>>> F.relu
Traceback (most recent call last):
AttributeError: nn.functional has no relu: it is a function, ts.relu(t)
"""

from __future__ import annotations

from typing import NoReturn

from tinygrad_seq.nn.habits import NN
from tinygrad_seq.tensor.habits import say_or_function


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(say_or_function(name, "nn.functional", NN), name=name)
