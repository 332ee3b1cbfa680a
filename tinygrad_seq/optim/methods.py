"""SGD, RMSprop, Adam and AdamW. Each docstring states what a step does to a parameter p with gradient g.

Hyperparameters are read when an optimizer is made: lr and weight_decay are 0 or more, eps is positive, momentum
is at most 1, betas and alpha are below 1. Otherwise ValueError or TypeError.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.numbers import number
from tinygrad_seq.optim.decay import Decaying
from tinygrad_seq.optim.optimizer import Parameters
from tinygrad_seq.optim.squares import MeanSquares, average


class SGD(Decaying):
    """Gradient descent, with momentum mu (Polyak 1964) or Nesterov's momentum (Sutskever et al. 2013):

        g <- g + weight_decay p
        v <- mu v + g
        p <- p - lr v,    with nesterov p <- p - lr (g + mu v)

    Initially v = 0; without momentum p <- p - lr g. ValueError for `nesterov` without momentum.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([1.0, 2.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> optim.SGD([p], lr=0.25).step()
    >>> p.numpy()
    array([0.5, 1. ], dtype=float32)
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = number(type(self).__name__, "momentum", momentum, "[0, 1]")
        self.nesterov = nesterov
        if nesterov and not self.momentum:
            raise ValueError("SGD with nesterov=True needs a momentum; write SGD(..., momentum=0.9)")
        self.v = self.zeros() if self.momentum else []

    def slots(self) -> dict[str, list[np.ndarray]]:
        return {"v": self.v} if self.momentum else {}

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        direction = g = self._decay(i, p, g)
        if self.momentum:
            direction = v = self.v[i]
            np.multiply(v, self.momentum, out=v)
            np.add(v, g, out=v)
            if self.nesterov:
                np.multiply(v, self.momentum, out=scratch)
                direction = np.add(g, scratch, out=scratch)
        np.multiply(direction, self.lr, out=scratch)
        np.subtract(p, scratch, out=p)


class RMSprop(MeanSquares):
    """RMSprop (Tieleman & Hinton 2012), centered and with momentum mu (Graves 2013):

        g <- g + weight_decay p
        n <- alpha n + (1 - alpha) g^2
        d = g / (sqrt n + eps)
        p <- p - lr d,    with momentum v <- mu v + d,  p <- p - lr v

    With `centered`, n - m^2, the variance of g, replaces n in the root, where m <- alpha m + (1 - alpha) g.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([1.0, -2.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> optim.RMSprop([p], lr=0.5, alpha=0.75).step()  # after the first step n = g^2 / 4
    >>> p.numpy()
    array([ 0., -1.], dtype=float32)
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        *,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, eps, weight_decay)
        self.alpha = number(type(self).__name__, "alpha", alpha, "[0, 1)")
        self.momentum = number(type(self).__name__, "momentum", momentum, "[0, 1]")
        self.centered, self.n = centered, self.squares
        self.m = self.zeros() if centered else []
        self.v = self.zeros() if self.momentum else []

    def slots(self) -> dict[str, list[np.ndarray]]:
        slots = {"n": self.n, "m": self.m, "v": self.v}
        return {name: slot for name, slot in slots.items() if slot}

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        g = self._decay(i, p, g)
        scratch = self._mean_square(i, g, self.alpha)
        n = self.n[i]
        if self.centered:
            m = self.m[i]
            average(m, g, self.alpha, scratch)
            np.multiply(m, m, out=scratch, dtype=scratch.dtype)
            np.subtract(n, scratch, out=scratch)
            np.maximum(scratch, 0, out=scratch)  # rounding can make the variance negative
            np.sqrt(scratch, out=scratch)
        else:
            np.sqrt(n, out=scratch)
        np.add(scratch, self.eps, out=scratch)
        np.divide(g, scratch, out=scratch)
        if self.momentum:
            v = self.v[i]
            np.multiply(v, self.momentum, out=v)
            np.add(v, scratch, out=v)
            np.multiply(v, self.lr, out=scratch)
        else:
            np.multiply(scratch, self.lr, out=scratch)
        np.subtract(p, scratch, out=p)


class Adam(MeanSquares):
    """Adam (Kingma & Ba 2015). At the t-th step of a parameter, with beta1, beta2 = `betas`:

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr m^ / (sqrt v^ + eps),    m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([1.0, -2.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> optim.Adam([p], lr=0.5).step()  # the first step has length lr for any gradient
    >>> p.numpy()
    array([ 0.5, -1.5], dtype=float32)
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, eps, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{type(self).__name__} needs two numbers betas in [0, 1), got {betas!r:.40}")
        beta1, beta2 = (number(type(self).__name__, "betas", beta, "[0, 1)") for beta in betas)
        self.betas = beta1, beta2
        self.m, self.v = self.zeros(), self.squares
        self.t = [
            np.zeros((), np.int64) for _ in self.parameters
        ]  # one each: a parameter without a gradient is skipped

    def slots(self) -> dict[str, list[np.ndarray]]:
        return {"m": self.m, "v": self.v, "t": self.t}

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        beta1, beta2 = self.betas
        g = self._decay(i, p, g)
        scratch = self._mean_square(i, g, beta2)
        m, v = self.m[i], self.v[i]
        self.t[i] += 1
        t = int(self.t[i])
        average(m, g, beta1, scratch)
        np.multiply(v, 1 / (1 - beta2**t), out=scratch)
        np.sqrt(scratch, out=scratch)
        np.add(scratch, self.eps, out=scratch)
        np.divide(m, scratch, out=scratch)
        np.multiply(scratch, self.lr / (1 - beta1**t), out=scratch)
        np.subtract(p, scratch, out=p)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): each step begins with

        p <- p - lr weight_decay p

    and continues as Adam without weight decay. The decay does not enter the moments.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([1.0, -2.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> optim.AdamW([p], lr=0.5, weight_decay=0.5).step()
    >>> p.numpy()
    array([ 0.25, -1.  ], dtype=float32)
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _decay(self, i: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        np.multiply(p, 1 - self.lr * self.weight_decay, out=p)
        return g
