"""A soft look at an image: N x N Gaussian filters, whose place, distance and width the network chooses.

Every pixel has an influence, so the gradient shows where to look better. The same filters read a patch of an
image and write a patch into an image (Gregor, Danihelka, Graves, Rezende & Wierstra 2015, DRAW, section 3.2).
"""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.indices import counted
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.choice import maximum, stop_gradient
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.exponential import exp
from tinygrad_seq.ops.joining import concatenate, split
from tinygrad_seq.ops.reduction import max as largest
from tinygrad_seq.ops.shape import expand_dims
from tinygrad_seq.ops.softmax import softmax
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

LEAST = -32.0  # exp -32 is 1e-14


class Window(NamedTuple):
    """N x N Gaussian filters over an image of H rows and W columns, for every row of a batch.

    rows       F_Y (B, N, H): the weights of the image's rows for every row of the patch; their sum is 1
    columns    F_X (B, N, W)
    intensity  gamma (B, 1)
    centre     (g_X, g_Y) (B, 2), in pixels: (1, 1) is the upper left pixel, (W, H) the lower right one
    stride     delta (B, 1), the distance of neighbouring filters, in pixels
    width      sigma (B, 1), the standard deviation of a filter, in pixels

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> window = nn.window(ts.zeros((2, 5)), (28, 20), 3)
    >>> window.rows.shape, window.columns.shape, window.centre[0].numpy()
    ((2, 3, 28), (2, 3, 20), array([10.5, 14.5], dtype=float32))
    >>> patch = window.read(ts.ones((2, 28, 20)))
    >>> patch.shape, window.write(patch).shape
    ((2, 3, 3), (2, 28, 20))
    """

    rows: Tensor
    columns: Tensor
    intensity: Tensor
    centre: Tensor
    stride: Tensor
    width: Tensor

    def read(self, images: Input) -> Tensor:
        """gamma F_Y x F_X', the patch (B, N, N) of images x (B, H, W)."""
        return expand_dims(self.intensity, -1) * (self.rows @ images @ self.columns.mT)

    def write(self, patch: Input) -> Tensor:
        """1/gamma F_Y' w F_X, an image (B, H, W) for a patch w (B, N, N)."""
        return self.rows.mT @ (patch / expand_dims(self.intensity, -1)) @ self.columns


def window(parameters: Input, size: tuple[int, int], filters: int) -> Window:
    """The window of N x N filters that five numbers choose.

        (g~X, g~Y, log sigma^2, log delta~, log gamma) = parameters
        g_X = (W + 1)/2 (g~X + 1),   g_Y = (H + 1)/2 (g~Y + 1),   delta = (max(H, W) - 1)/(N - 1) delta~
        mu^i_X = g_X + (i - N/2 - 1/2) delta,                      i = 1 ... N
        F_X[i, a] = softmax over a of -(a - mu^i_X)^2 / 2 sigma^2, a = 1 ... W;      F_Y likewise

    parameters  (B, 5), floats
    size        (H, W), of the image
    filters     N; for N = 1 there is no distance, and delta is (max(H, W) - 1) delta~

    The paper divides exp(-(a - mu)^2 / 2 sigma^2) by its sum over a, which is the softmax. Where a window is
    off the image, all these numbers underflow; the softmax looks at the nearest edge. The numbers i and a
    begin with 1, so that parameters of 0 give a window in the middle.

    Returns a `Window`. Raises ValueError or TypeError if parameters are not (B, 5) of floats, ValueError if a
    size is not positive.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> narrow = ts.tensor([[0.0, 0.0, -4.0, -1.0, 0.0]])
    >>> nn.window(narrow, (5, 5), 3).rows[0].numpy().round(2)
    array([[0., 1., 0., 0., 0.],
           [0., 0., 1., 0., 0.],
           [0., 0., 0., 1., 0.]], dtype=float32)
    """
    height, width = (integer("window", "size", n, "[1, inf)") for n in size)
    filters = integer("window", "filters", filters, "[1, inf)")
    parameters = as_tensor(parameters)
    if parameters.dtype.kind != "f" or parameters.ndim != 2 or parameters.shape[1] != 5:
        raise (ValueError if parameters.dtype.kind == "f" else TypeError)(
            f"window needs parameters (B, 5) of floats, got {describe(parameters)}; for one window, p[None]"
        )
    return placed(parameters, (height, width), filters, like=parameters)


def placed(parameters: Tensor, size: tuple[int, int], filters: int, *, like: Tensor) -> Window:
    """The window; its grids are computed with the dtype and on the device of `like`.

    In the step of a scan, they are computed once, before the loop, if `like` is the same at every step.
    """
    height, width = size
    x, y, log_variance, log_stride, log_intensity = split(parameters, 5, axis=-1)
    x, y = (width + 1) / 2 * (x + 1.0), (height + 1) / 2 * (y + 1.0)
    stride = (max(height, width) - 1) / max(filters - 1, 1) * exp(log_stride)
    offsets = (numbered(filters, like) - (filters + 1) / 2) * stride
    precision = expand_dims(exp(-log_variance), -1)

    def bank(centre: Tensor, pixels: int) -> Tensor:
        means = expand_dims(centre + offsets, -1)
        exponents = square(numbered(pixels, like) - means) * precision * -0.5
        # Tails below 1e-14 of the largest weight are raised to that: products of two of them would be subnormal
        # numbers in float32, for which a processor takes 100 times as long. The sum of a bank changes by less
        # than 1e-12.
        below = exponents - stop_gradient(largest(exponents, axis=-1, keepdims=True))
        return softmax(maximum(below, LEAST))

    return Window(
        bank(y, height),
        bank(x, width),
        exp(log_intensity),
        concatenate([x, y], axis=-1),
        stride,
        exp(log_variance / 2.0),
    )


def numbered(count: int, like: Tensor) -> Tensor:
    """1, 2, ..., count, with the dtype and on the device of `like`."""
    return (counted(count, like) + 1).astype(like.dtype)
