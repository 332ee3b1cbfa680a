"""Reservoirs: random recurrent networks with fixed weights; only the readout of their output is learned.

Echo state networks and liquid state machines have recurrent weights that preserve information about past
inputs. A linear readout is fitted by ridge regression (`nn.ridge`) or by gradient descent. The fixed weights
are tensors of the module, which are moved and saved with it, but they are not parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import Cell
from tinygrad_seq.nn.cells.state import parts
from tinygrad_seq.nn.module import natural
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Spiking = tuple[Tensor, Tensor, Tensor]  # (v, s, r)


class Reservoir(Cell):
    """A cell with fixed random weights Wx (I, H), Wh (H, H) and b (H,).

    Row i of Wx is drawn from U(-scales[i], scales[i]), b from U(-bias_scale, bias_scale). Wh has `nonzeros`
    nonzero weights in each column (by default 10, or H if that is less) and the spectral radius
    `spectral_radius`.
    """

    def __init__(
        self,
        scales: Sequence[float],
        hidden_size: int,
        *,
        bias_scale: float,
        spectral_radius: float,
        nonzeros: int | None,
        rng: init.Rng,
        dtype: DTypeLike,
    ) -> None:
        owner = type(self).__name__
        self.input_size, hidden_size = len(scales), natural(self, "hidden_size", hidden_size)
        spectral_radius = number(owner, "spectral_radius", spectral_radius, "[0, inf)")
        if nonzeros is not None:
            nonzeros = integer(owner, "nonzeros", nonzeros, f"[1, {hidden_size}]")
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"{owner} needs a float dtype, got {np.dtype(dtype)}")
        rng, count = np.random.default_rng(rng), min(10, hidden_size) if nonzeros is None else nonzeros
        unscaled = init.uniform((len(scales), hidden_size), 1.0, rng=rng, dtype=np.float64)
        self.Wx = tensor((np.reshape(scales, (-1, 1)) * unscaled).astype(dtype))
        self.Wh = tensor(
            init.sparse(hidden_size, nonzeros=count, spectral_radius=spectral_radius, rng=rng, dtype=dtype)
        )
        self.b = tensor(init.uniform((hidden_size,), bias_scale, rng=rng, dtype=dtype))

    def _zeros(self, batch: int, like: Tensor) -> Tensor:
        """Zeros, (batch, H), with the dtype and the device of `like`."""
        return zeros_like(like, shape=(batch, self.Wh.shape[0]))


class EchoStateCell(Reservoir):
    """An echo state network with leaky units (Jaeger 2001; Lukosevicius 2012); its state is h.

        h' = (1 - a) h + a tanh(x Wx + b + h Wh)

    It has no parameters. Wx (I, H) and b (H,) are drawn from U(-input_scale, input_scale). Wh (H, H) has
    `nonzeros` nonzero weights in each column (by default 10, or H if that is less) and the spectral radius
    `spectral_radius`. a is the `leak`. The output is h'.

    `feedback` is the number of readout outputs that are fed back: x is then (B, I + feedback), with the
    readout's outputs of the previous step after the I inputs. In training these are the true outputs;
    `nn.FedBack` feeds back the readout's own. Their rows of Wx are drawn from U(-feedback_scale,
    feedback_scale). Raises ValueError unless 0 < leak <= 1.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.EchoStateCell(3, 20, spectral_radius=0.9, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> h, y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape, len(cell.parameters())
    ((1, 20), 0)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        spectral_radius: float = 0.9,
        nonzeros: int | None = None,
        leak: float = 1.0,
        input_scale: float = 1.0,
        feedback: int = 0,
        feedback_scale: float = 1.0,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.leak = number("EchoStateCell", "leak", leak, "(0, 1]")
        input_scale = number("EchoStateCell", "input_scale", input_scale, "[0, inf)")
        feedback_scale = number("EchoStateCell", "feedback_scale", feedback_scale, "[0, inf)")
        super().__init__(
            [input_scale] * natural(self, "input_size", input_size, least=0)
            + [feedback_scale] * natural(self, "feedback", feedback, least=0),
            hidden_size,
            bias_scale=input_scale,
            spectral_radius=spectral_radius,
            nonzeros=nonzeros,
            rng=rng,
            dtype=dtype,
        )

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        """h = 0, (batch, H), with the dtype and the device of `like`."""
        return self._zeros(batch, like)

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = (1 - self.leak) * h + self.leak * tanh(x @ self.Wx + self.b + h @ self.Wh)
        return h, h


class LiquidStateCell(Reservoir):
    """A liquid state machine of leaky integrate-and-fire units (Maass, Natschlaeger & Markram 2002).

        v' = d v (1 - s) + x Wx + b + s Wh      the potential decays, and restarts from 0 after a spike
        s' = 1 if v' >= threshold, else 0       a spike
        r' = f r + (1 - f) s'                   the exponentially filtered spikes

    It has no parameters. A spike has no derivative, so the gradient of r' reaches r but not x, the weights, v
    or s. The weights are those of `EchoStateCell`; d is the `decay` and f the `filter`. The state is (v, s, r),
    each (B, H), and the output is r'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.LiquidStateCell(3, 20, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> (v, s, r), y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape, sorted(set(s.numpy().ravel().tolist()))
    ((1, 20), [0.0, 1.0])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        spectral_radius: float = 0.9,
        nonzeros: int | None = None,
        decay: float = 0.9,
        filter: float = 0.9,
        threshold: float = 1.0,
        input_scale: float = 1.0,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.decay = number("LiquidStateCell", "decay", decay, "[0, 1]")
        self.filter = number("LiquidStateCell", "filter", filter, "[0, 1]")
        self.threshold = number("LiquidStateCell", "threshold", threshold, "(-inf, inf)")
        input_scale = number("LiquidStateCell", "input_scale", input_scale, "[0, inf)")
        super().__init__(
            [input_scale] * natural(self, "input_size", input_size, least=0),
            hidden_size,
            bias_scale=input_scale,
            spectral_radius=spectral_radius,
            nonzeros=nonzeros,
            rng=rng,
            dtype=dtype,
        )

    def initial_state(self, batch: int, like: Tensor) -> Spiking:
        """v = s = r = 0, each (batch, H), with the dtype and the device of `like`."""
        return (self._zeros(batch, like),) * 3

    def __call__(self, state: Spiking, x: Tensor) -> tuple[Spiking, Tensor]:
        v, s, r = parts(self, state, 3, "parts (v, s, r)")
        v = self.decay * v * (1 - s) + x @ self.Wx + self.b + s @ self.Wh
        s = astype(v >= self.threshold, v.dtype)
        r = self.filter * r + (1 - self.filter) * s
        return (v, s, r), r
