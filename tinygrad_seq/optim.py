"""Optimizers: what is done with a gradient, in place and without allocating per step.

An optimizer holds its parameters, each once, and changes them in `step()`; what has no gradient is
skipped. `lr` may be changed between steps. `state_dict()` and `load_state_dict()` resume exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tinygrad_seq import backend
from tinygrad_seq.recording import describe
from tinygrad_seq.tensor import Tensor


class Optimizer:
    """What the optimizers share: the parameters, the learning rate, and the order of a step.

    ValueError without parameters; TypeError for what is no leaf tensor of floats.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        self.parameters = list({id(p): p for p in parameters}.values())
        self.lr = lr
        if not self.parameters:
            raise ValueError("an optimizer needs at least one parameter")
        for p in self.parameters:
            if not (isinstance(p, Tensor) and p.is_leaf and p.dtype.kind == "f"):
                raise TypeError(f"a parameter is a leaf tensor of floats, not {describe(p)}")
        self.scratch = [np.empty_like(p.data) for p in self.parameters]

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for i, p in enumerate(self.parameters):
            if p.grad is not None:
                self.update(i, p.mutable(), p.grad.data, self.scratch[i])

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        """Change the array `p` of parameter number `i`, whose gradient is `g`, in place."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            if p.requires_grad:
                p.zero_grad()

    def slots(self) -> dict[str, list[np.ndarray]]:
        """The state beside the parameters: named lists of one array per parameter."""
        return {}

    def state_dict(self) -> dict[str, object]:
        """The learning rate and a copy of every slot, on the host: a tree that `ts.save` takes."""
        copies = {name: [np.array(backend.to_numpy(a)) for a in slot] for name, slot in self.slots().items()}
        return {"lr": self.lr, **copies}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`, that of an optimizer of the same kind over like parameters.

        ValueError lists everything that does not fit; nothing is loaded then.
        """
        slots = self.slots()
        problems = [f"{name} is missing" for name in ("lr", *slots) if name not in state]
        problems += [f"{name} is unexpected" for name in state if name != "lr" and name not in slots]
        given = {name: [np.asarray(a) for a in state[name]] for name in slots if name in state}
        for name, arrays in given.items():
            if len(arrays) != len(slots[name]):
                problems.append(f"{name} is of {len(arrays)} parameters, not {len(slots[name])}")
            problems += [
                f"{name}[{i}] is {describe(own)}, given {describe(array)}"
                for i, (own, array) in enumerate(zip(slots[name], arrays, strict=False))
                if own.shape != array.shape or own.dtype != array.dtype
            ]
        if problems:
            kind = type(self).__name__
            raise ValueError(
                "\n  ".join([f"the state does not fit this {kind}; nothing was loaded", *problems])
            )
        self.lr = state["lr"]
        for name, arrays in given.items():
            for own, array in zip(slots[name], arrays, strict=True):
                own[...] = backend.asarray(array, backend.device_of(own))


class SGD(Optimizer):
    """Gradient descent: p <- p - lr g.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([1.0, 2.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> optim.SGD([p], lr=0.25).step()
    >>> p.numpy()
    array([0.5, 1. ], dtype=float32)
    """

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        np.multiply(g, self.lr, out=scratch)
        np.subtract(p, scratch, out=p)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015). At a parameter's t-th step, with beta1, beta2 = `betas`:

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr m^ / (sqrt v^ + eps),    m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([1.0, -2.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> optim.Adam([p], lr=0.5).step()  # the first step is lr long, whatever the size of the gradient
    >>> p.numpy()
    array([ 0.5, -1.5], dtype=float32)
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters, lr)
        self.betas, self.eps = betas, eps
        self.m = [np.zeros_like(p.data) for p in self.parameters]
        self.v = [np.zeros_like(p.data) for p in self.parameters]
        self.t = [np.zeros((), np.int64) for _ in self.parameters]  # each has its own: it may be skipped

    def slots(self) -> dict[str, list[np.ndarray]]:
        return {"m": self.m, "v": self.v, "t": self.t}

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        m, v, (beta1, beta2) = self.m[i], self.v[i], self.betas
        self.t[i] += 1
        t = int(self.t[i])
        np.multiply(m, beta1, out=m)
        np.multiply(g, 1 - beta1, out=scratch)
        np.add(m, scratch, out=m)
        np.multiply(v, beta2, out=v)
        np.multiply(g, g, out=scratch)
        np.multiply(scratch, 1 - beta2, out=scratch)
        np.add(v, scratch, out=v)
        np.multiply(v, 1 / (1 - beta2**t), out=scratch)
        np.sqrt(scratch, out=scratch)
        np.add(scratch, self.eps, out=scratch)
        np.divide(m, scratch, out=scratch)
        np.multiply(scratch, self.lr / (1 - beta1**t), out=scratch)
        np.subtract(p, scratch, out=p)


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float, *, error_if_nonfinite: bool = True) -> float:
    """Clip the gradient g of all parameters together by its Euclidean norm, in place; returns the norm.

        g <- g                  if |g| <= v
        g <- v g / |g|          else,           v = max_norm

    (Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks.) The norm is
    that before clipping, accumulated in float64, so that no float32 gradient is too large for it.
    Parameters without a gradient count for nothing.

    A norm that is infinite or NaN has no direction to keep: it is a FloatingPointError; or, without
    `error_if_nonfinite`, all gradients are dropped, so that an optimizer's next step changes nothing.
    ValueError for a max_norm that is not positive.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([3.0, 4.0], requires_grad=True)
    >>> p.grad = ts.tensor([3.0, 4.0])
    >>> optim.clip_grad_norm_([p], 1.0)
    5.0
    >>> p.grad.numpy()
    array([0.6, 0.8], dtype=float32)
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be positive, not {max_norm}")
    unique = {id(p): p for p in parameters}.values()
    gradients = [(p, g) for p in unique if (g := p.grad) is not None]
    norm = math.sqrt(sum((float(np.sum(np.square(g.data, dtype=np.float64))) for _, g in gradients), 0.0))
    if not math.isfinite(norm):
        if error_if_nonfinite:
            raise FloatingPointError(f"the norm of the gradient is {norm}")
        for p, _ in gradients:
            p.zero_grad()
    elif norm > max_norm:
        scale = np.float64(max_norm / norm)  # not weak: the product is taken in float64, then rounded once
        for _, g in gradients:
            array = g.mutable()
            np.multiply(array, scale, out=array, casting="same_kind")
    return norm
