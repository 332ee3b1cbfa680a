"""DRAM, the deep recurrent attention model: it reads several objects in an image, one after the other.

Of two recurrent networks, one receives what was seen, and classifies; the other receives the state of the
first, and chooses where to look. A coarse view of the whole image starts the second, so it can show where to
look, but not what is there: the classes depend only on the looks.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.nn import init, reinforce
from tinygrad_seq.nn.cells.cell import Cell, start
from tinygrad_seq.nn.cells.fitting import refuse_sequence
from tinygrad_seq.nn.cells.lstm import LSTMCell
from tinygrad_seq.nn.cells.state import State, parts
from tinygrad_seq.nn.indices import Indices, indices
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.nn.looking.looks import Looks, policy_loss
from tinygrad_seq.nn.looking.retina import retina
from tinygrad_seq.nn.losses import cross_entropy
from tinygrad_seq.nn.module import Input, Module, natural, naturals
from tinygrad_seq.nn.runners.recurrent import Recurrent
from tinygrad_seq.ops.choice import relu, stop_gradient
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.rearranging import repeat
from tinygrad_seq.ops.shape import squeeze
from tinygrad_seq.ops.statistics import mean
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

Memory = tuple[Tensor, Tensor]  # h and c of an LSTM


class DRAM(Module):
    """The deep recurrent attention model (Ba, Mnih & Kavukcuoglu 2015), which classifies S objects in an image.

        l_n ~ N(tanh(r_{n-1} E + e), sigma^2),                       b_n = r_{n-1} K + k
        g_n = relu(relu(rho_n W + a) W' + a') * relu(l_n V + b),     rho_n = retina(image, l_n)
        h_n = LSTM(h_{n-1}, g_n),                                    r_n = LSTM(r_{n-1}, h_n)
        p_s = softmax(h_n O + o) after every N looks, n = s N
        h_0 = 0,   r_0 = tanh(relu(C(image) U + u) U' + u')

    classes  the number of classes
    looks    N, the looks for each object
    size     the side of the smallest patch
    scales   the number of patches, each of twice the side of the one before
    sigma    the standard deviation of the choices, where an image is 2 wide and 2 high
    hidden   the sizes of g, h and r
    context  (rows, columns) of the coarse image C, the means of equal parts of the image; None for r_0 = 0

    C and r influence the classes only by where the looks are: they are trained by REINFORCE, K and k by the
    loss of the baselines, and everything else by cross-entropy and REINFORCE together. Matrices and biases are
    drawn as in `Linear` and `LSTMCell`. (In the paper, convolutions precede both layers of g.)

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rng, model = np.random.default_rng(0), nn.DRAM(10, context=(5, 12), rng=0)
    >>> images, targets = rng.random((3, 20, 48), dtype=np.float32), np.array([[3, 1, 4], [1, 5, 9]])
    >>> noise = rng.standard_normal((4, 3, 2), dtype=np.float32)  # 2 looks at each of 2 objects
    >>> model.loss(images, targets, noise).backward()
    >>> logits, looks = model(images, np.zeros_like(noise))
    >>> logits.shape, looks.centres.shape
    ((2, 3, 10), (4, 3, 2))
    """

    def __init__(
        self,
        classes: int,
        *,
        looks: int = 2,
        size: int = 8,
        scales: int = 2,
        sigma: float = 0.1,
        hidden: int = 128,
        context: tuple[int, int] | None = None,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        classes, hidden = natural(self, "classes", classes), natural(self, "hidden", hidden)
        self.looks = natural(self, "looks", looks)
        self.size, self.scales = natural(self, "size", size), natural(self, "scales", scales)
        self.sigma = number("DRAM", "sigma", sigma, "(0, inf)")
        rng = np.random.default_rng(rng)

        def linear(input: int, output: int) -> Linear:
            return Linear(input, output, rng=rng, dtype=dtype)

        self.what = [linear(self.scales * self.size**2, hidden), linear(hidden, hidden)]
        self.where = linear(2, hidden)
        self.classifying = LSTMCell(hidden, hidden, rng=rng, dtype=dtype)
        self.choosing = LSTMCell(hidden, hidden, rng=rng, dtype=dtype)
        self.locator, self.baseline = linear(hidden, 2), linear(hidden, 1)
        self.classifier = linear(hidden, classes)
        self.coarse = None if context is None else naturals(self, "context", context)
        if self.coarse is not None:
            if len(self.coarse) != 2:
                raise ValueError(f"DRAM needs a context (rows, columns), got {context}")
            self.context = [linear(int(np.prod(self.coarse)), hidden), linear(hidden, hidden)]

    def __call__(self, images: Input, noise: Input) -> tuple[Tensor, Looks]:
        """The logits (S, B, C) of S objects in images (B, H, W), and the `Looks`.

        noise  (S N, B, 2), from N(0, 1) to train; 0 to look at the means
        """
        (hs, looks), _ = cast(tuple[tuple[Tensor, Looks], State], Recurrent(DRAMCell(self, images))(noise))
        return self._classified(hs), looks

    def loss(self, images: Input, targets: Indices, noise: Input, *, weight: float = 0.05) -> Tensor:
        """Cross-entropy, the loss of the choices times `weight`, and the loss of the baselines.

        targets  integers (S, B); images and noise are as in a call

        The reward of a look is the number of objects that are classified right from this look on.
        """
        weight = number("DRAM.loss", "weight", weight, "[0, inf)")
        logits, looks = self(images, noise)
        y, _ = indices(targets, logits.shape[-1], logits.device, "DRAM.loss: targets")
        right = (argmax(logits, axis=-1) == y).astype(logits.dtype)
        returns = repeat(reinforce.returns(right), self.looks, axis=0)
        return cross_entropy(logits, y) + policy_loss(looks.log_probabilities, returns, looks.baselines, weight)

    def at(self, images: Input, centres: Input) -> Tensor:
        """The logits (S, B, C) after looks at given centres (S N, B, 2), for example random ones.

        >>> import numpy as np
        >>> from tinygrad_seq import nn
        >>> model, images = nn.DRAM(10, size=4, rng=0), np.ones((2, 9, 9), np.float32)
        >>> logits, looks = model(images, np.zeros((4, 2, 2), np.float32))
        >>> np.allclose(model.at(images, looks.centres).numpy(), logits.numpy())
        True
        """
        cell, centres = DRAMCell(self, images), as_tensor(centres)
        refuse_sequence("DRAM.at", centres, 2)

        def step(before: Memory, place: Tensor) -> tuple[Memory, Tensor]:
            return self._look(before, cell.images, place)

        first, _ = cast(tuple[Memory, Memory], start(cell, centres.shape[1], like=centres))
        _, hs = scan(step, first, centres)
        return self._classified(hs)

    def _classified(self, hs: Tensor) -> Tensor:
        """The logits of every object, from the outputs (S N, B, hidden) of the classifying network."""
        if len(hs) % self.looks:
            raise ValueError(
                f"DRAM needs a multiple of {self.looks} looks, got {len(hs)}: so many for each object"
            )
        return self.classifier(hs[self.looks - 1 :: self.looks])

    def _look(self, before: Memory, images: Tensor, centres: Tensor) -> tuple[Memory, Tensor]:
        """The state of the classifying network after a look at `centres` (B, 2), and h."""
        seen = retina(images, centres, self.size, self.scales)
        what = seen.reshape(len(seen), self.scales * self.size**2)
        for layer in self.what:
            what = relu(layer(what))
        return self.classifying(before, what * relu(self.where(centres)))


class DRAMCell(Cell):
    """One look of a `DRAM` at a batch of images, as a cell.

    The input x (B, 2) is noise; the state is that of the two LSTMs, ((h, c), (r, c')); the output is h and the
    `Looks` of one step. No gradient flows through the centres.

    images  (B, H, W), or (H, W), one image for all rows

    Raises ValueError if the parts of the coarse image are not equal. The retina raises errors for other images.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> cell = nn.DRAMCell(nn.DRAM(10, context=(2, 3), rng=0), np.ones((2, 20, 30), np.float32))
    >>> (h, looks), state = nn.Recurrent(cell)(np.zeros((4, 2, 2), np.float32))
    >>> h.shape, looks.centres.shape
    ((4, 2, 128), (4, 2, 2))
    """

    def __init__(self, model: DRAM, images: Input) -> None:
        self.model, self.images, self.input_size = model, as_tensor(images), 2
        sides = self.images.shape[-2:]
        if model.coarse is not None and (
            len(sides) < 2 or any(n % m for n, m in zip(sides, model.coarse, strict=True))
        ):
            raise ValueError(
                f"DRAMCell needs images (B, H, W) or (H, W) whose sides are multiples of those of the context, "
                f"{model.coarse}, got {describe(self.images)}"
            )

    def initial_state(self, batch: int, like: Tensor) -> tuple[Memory, Memory]:
        """Zeros, and for r, what the coarse image says."""
        model = self.model
        first = model.classifying.initial_state(batch, like)
        r, c = model.choosing.initial_state(batch, like)
        if model.coarse is not None:
            rows, columns = model.coarse
            *count, height, width = self.images.shape
            coarse = self.images.reshape(*count, rows, height // rows, columns, width // columns)
            hidden, out = model.context
            flat = mean(coarse, (-3, -1)).reshape(*count, rows * columns)
            r = r + tanh(out(relu(hidden(flat))))
        return first, (r, c)

    def __call__(self, state: State, x: Tensor) -> tuple[State, tuple[Tensor, Looks]]:
        model = self.model
        first, second = cast(tuple[Memory, Memory], parts(self, state, 2, "networks"))
        r, _ = second
        place, log_p = reinforce.gaussian(tanh(model.locator(r)), model.sigma, x)
        baseline = squeeze(model.baseline(stop_gradient(r)), -1)
        first, h = model._look(first, self.images, place)
        second, _ = model.choosing(second, h)
        return (first, second), (h, Looks(place, log_p, baseline))
