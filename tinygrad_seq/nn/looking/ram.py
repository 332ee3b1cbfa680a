"""RAM, the recurrent attention model: it classifies an image by a few looks at small parts of it.

Each look returns the patches of a retina. A vanilla recurrent network receives what was seen and where, and
chooses where to look next. The choice is a draw from a Gaussian, whose mean is trained by REINFORCE; everything
else is trained by backpropagation through the looks.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.numbers import number
from tinygrad_seq.nn import init, reinforce
from tinygrad_seq.nn.cells.cell import Cell, start
from tinygrad_seq.nn.cells.fitting import refuse_input, refuse_sequence
from tinygrad_seq.nn.cells.state import State, parts
from tinygrad_seq.nn.indices import Indices, indices
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.nn.looking.looks import Looks, policy_loss
from tinygrad_seq.nn.looking.retina import retina
from tinygrad_seq.nn.losses import cross_entropy
from tinygrad_seq.nn.module import Input, Module, natural
from tinygrad_seq.nn.runners.recurrent import Recurrent
from tinygrad_seq.ops.choice import relu, stop_gradient
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.shape import broadcast_to, squeeze
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


class RAM(Module):
    """The recurrent attention model (Mnih, Heess, Graves & Kavukcuoglu 2014), a classifier of images.

        g_t = relu(relu(rho_t W + a) W' + relu(l_t V + b) V' + c),   rho_t = retina(image, l_t)
        h_t = relu(h_{t-1} U + g_t U' + d),                          h_0 = 0
        l_{t+1} ~ N(tanh(h_t F + f), sigma^2),                       b_t = h_t K + k
        p = softmax(h_T O + o)

    classes   the number of classes C
    size      the side of the smallest patch
    scales    the number of patches, each of twice the side of the one before
    sigma     the standard deviation of the choices, where an image is 2 wide and 2 high
    features  the sizes of relu(rho_t W + a) and of relu(l_t V + b)
    hidden    the sizes of g_t and h_t

    h_t is detached in the equations of l_{t+1} and b_t: the loss of the choices trains F and f, that of the
    baselines K and k, and cross-entropy everything else. The paper has no tanh; without it, means that have
    left the image do not come back, since all such looks are at its edge. Matrices and biases are drawn as in
    `Linear`.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rng, model = np.random.default_rng(0), nn.RAM(10, size=8, rng=0)
    >>> images, labels = rng.random((5, 28, 28), dtype=np.float32), np.array([3, 1, 4, 1, 5])
    >>> noise = rng.standard_normal((6, 5, 2), dtype=np.float32)            # 6 looks at each image
    >>> first = rng.uniform(-1, 1, (5, 2)).astype(np.float32)               # the first of them, at random
    >>> model.loss(images, labels, noise, first).backward()
    >>> logits, looks = model(images, np.zeros_like(noise))                 # without noise
    >>> logits.shape, looks.centres.shape
    ((5, 10), (6, 5, 2))
    """

    def __init__(
        self,
        classes: int,
        *,
        size: int = 8,
        scales: int = 1,
        sigma: float = 0.1,
        features: int = 128,
        hidden: int = 256,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        classes = natural(self, "classes", classes)
        features, hidden = natural(self, "features", features), natural(self, "hidden", hidden)
        self.size, self.scales = natural(self, "size", size), natural(self, "scales", scales)
        self.sigma = number("RAM", "sigma", sigma, "(0, inf)")
        rng = np.random.default_rng(rng)

        def linear(input: int, output: int, bias: bool = True) -> Linear:
            return Linear(input, output, bias=bias, rng=rng, dtype=dtype)

        self.what, self.where = linear(self.scales * self.size**2, features), linear(2, features)
        self.from_what, self.from_where = linear(features, hidden), linear(features, hidden, bias=False)
        self.core, self.glimpse = linear(hidden, hidden), linear(hidden, hidden, bias=False)
        self.locator, self.baseline = linear(hidden, 2), linear(hidden, 1)
        self.classifier = linear(hidden, classes)

    def __call__(self, images: Input, noise: Input, first: Input | None = None) -> tuple[Tensor, Looks]:
        """The logits (B, C) after T looks at images (B, H, W), and the `Looks`.

        noise  (T, B, 2), from N(0, 1) to train; 0 to look at the means
        first  the centres of the first looks (B, 2), drawn from U(-1, 1) in the paper; None is the middle
        """
        made = Recurrent(RAMCell(self, images, first))(noise)
        looks, (h, _) = cast(tuple[Looks, tuple[Tensor, Tensor]], made)
        return self.classifier(h), looks

    def loss(
        self,
        images: Input,
        labels: Indices,
        noise: Input,
        first: Input | None = None,
        *,
        weight: float = 0.02,
    ) -> Tensor:
        """Cross-entropy, the loss of the choices times `weight`, and the loss of the baselines.

        labels  integers (B,); images, noise and first are as in a call

        The reward is 1 if the likeliest class is the label, else 0. The choice after the last look has no
        influence and does not count.
        """
        weight = number("RAM.loss", "weight", weight, "[0, inf)")
        logits, looks = self(images, noise, first)
        y, _ = indices(labels, logits.shape[-1], logits.device, "RAM.loss: labels")
        right = (argmax(logits, axis=-1) == y).astype(logits.dtype)
        returns = broadcast_to(right, looks.baselines.shape)[1:]
        policy = policy_loss(looks.log_probabilities[:-1], returns, looks.baselines[:-1], weight)
        return cross_entropy(logits, y) + policy

    def at(self, images: Input, centres: Input) -> Tensor:
        """The logits (B, C) after looks at given centres (T, B, 2), for example random ones, to compare with.

        >>> import numpy as np
        >>> from tinygrad_seq import nn
        >>> model, images = nn.RAM(10, size=4, rng=0), np.ones((2, 9, 9), np.float32)
        >>> logits, looks = model(images, np.zeros((6, 2, 2), np.float32))
        >>> np.allclose(model.at(images, looks.centres).numpy(), logits.numpy())
        True
        """
        cell, centres = RAMCell(self, images), as_tensor(centres)
        refuse_sequence("RAM.at", centres, 2)

        def step(h: Tensor, place: Tensor) -> tuple[Tensor, None]:
            return self._look(h, cell.images, place), None

        h, _ = start(cell, centres.shape[1], like=centres)
        return self.classifier(scan(step, h, centres)[0])

    def _look(self, h: Tensor, images: Tensor, centres: Tensor) -> Tensor:
        """h_t, (B, hidden), after a look at `centres` (B, 2), if it was h before."""
        seen = retina(images, centres, self.size, self.scales)
        seen = seen.reshape(len(centres), self.scales * self.size**2)
        what, where = relu(self.what(seen)), relu(self.where(centres))
        g = relu(self.from_what(what) + self.from_where(where))
        return relu(self.core(h) + self.glimpse(g))


class RAMCell(Cell):
    """One look of a `RAM` at a batch of images, as a cell.

        h' = look(h, l),   l' = tanh(h' F + f) + sigma x

    The input x (B, 2) is noise; the state is (h, l), h (B, hidden), l (B, 2); the output is the `Looks` of one
    step: l, the log-probability of l', and the baseline. No gradient flows through l'.

    images  (B, H, W), or (H, W), one image for all rows
    first   the centres of the first looks, (B, 2); None is the middle

    Raises ValueError if `first` has another shape. The retina raises errors for other images.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> cell = nn.RAMCell(nn.RAM(10, size=4, rng=0), np.ones((2, 9, 9), np.float32))
    >>> looks, (h, l) = nn.Recurrent(cell)(np.zeros((6, 2, 2), np.float32))
    >>> looks.centres.shape, h.shape, l.shape
    ((6, 2, 2), (2, 256), (2, 2))
    """

    def __init__(self, model: RAM, images: Input, first: Input | None = None) -> None:
        self.model, self.images, self.input_size = model, as_tensor(images), 2
        self.first = None if first is None else as_tensor(first)
        if self.first is not None:
            refuse_input("RAMCell", "first", self.first, ("B",), 2, "first[None]")

    def initial_state(self, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """h = 0 and the centres of the first looks."""
        h = zeros_like(like, shape=(batch, len(self.model.core.weight)))
        middle = zeros_like(like, shape=(batch, 2))
        return h, middle if self.first is None else self.first.astype(like.dtype)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Looks]:
        h, place = cast(tuple[Tensor, Tensor], parts(self, state, 2, "parts (h, centres)"))
        h = self.model._look(h, self.images, place)
        fixed = stop_gradient(h)
        after, log_p = reinforce.gaussian(tanh(self.model.locator(fixed)), self.model.sigma, x)
        return (h, after), Looks(place, log_p, squeeze(self.model.baseline(fixed), -1))
