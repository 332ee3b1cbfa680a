"""Patches of images: those that a network looks at one after the other, and those that tile an image.

A hard look is a small square patch that is cut out around a centre, together with patches of twice, four
times, ... its side around the same centre, each averaged down to the size of the first: fine in the middle and
coarse around it, as the retina of an eye. The pixels of a patch depend on the centre only by indices, so no
gradient shows where to look better; `nn.reinforce` estimates one.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.engine.precision import wide
from tinygrad_seq.nn.indices import counted, rows
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.choice import clip, where
from tinygrad_seq.ops.comparison import logical_and
from tinygrad_seq.ops.joining import stack
from tinygrad_seq.ops.rearranging import pad
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


def retina(images: Input, centres: Input, size: int, scales: int = 1) -> Tensor:
    """Square patches of `scales` sides around a centre in each image, averaged to size x size pixels.

        row, column = floor((y + 1) / 2 H), floor((x + 1) / 2 W)                 for a centre (x, y)
        z[b, k, i, j] = the mean of the 2^k x 2^k pixels of image b, the first of which is
                        (row - floor(2^k size / 2) + 2^k i, column - floor(2^k size / 2) + 2^k j)

    images   (B, H, W), floats; or (H, W), one image for all centres
    centres  (B, 2), floats (x, y): (-1, -1) is the upper left corner, (0, 0) the middle, (1, 1) the lower right
             corner; a centre outside is moved to the edge
    size     the side of every patch in the result, and of the smallest in the image
    scales   the number of patches, of the sides size, 2 size, 4 size, ... in the image

    The result is (B, scales, size, size). Pixels outside of the image are 0. (Mnih, Heess, Graves & Kavukcuoglu
    2014, section 3.1; the row and the column as in kevinzakka/recurrent-visual-attention.)

    The result has a gradient with respect to the images, none with respect to the centres. A centre that is NaN
    gives patches of NaN. Raises TypeError or ValueError if images or centres are not floats of these shapes, or
    if size or scales is not a positive integer.

    In the step of a scan, a look reads the pixels of its patches only. (Tried: the means of all places,
    computed once before the loop, so that a look reads scales size^2 numbers. For 6 looks at 3 scales of
    44 x 44 pixels, that takes 4 times as long.)

    >>> image = np.arange(16.0).reshape(1, 4, 4)
    >>> retina(image, [[0.0, 0.0]], 2, scales=2).numpy().tolist()
    [[[[5.0, 6.0], [9.0, 10.0]], [[2.5, 4.5], [10.5, 12.5]]]]
    """
    size = integer("retina", "size", size, "[1, inf)")
    scales = integer("retina", "scales", scales, "[1, inf)")
    images, centres = as_tensor(images), as_tensor(centres)
    floats = images.dtype.kind == centres.dtype.kind == "f"
    if not floats or images.ndim not in (2, 3) or centres.ndim != 2 or centres.shape[1] != 2:
        raise (ValueError if floats else TypeError)(
            "retina needs images (B, H, W) or (H, W) and centres (B, 2), both of floats, got images "
            f"{describe(images)} and centres {describe(centres)}; convert integers by astype(np.float32)"
        )
    if images.ndim == 3 and len(images) != len(centres):  # one image would broadcast
        raise ValueError(
            f"retina needs a centre for each image, got images {describe(images)} and centres "
            f"{describe(centres)}; for several looks at one image, pass it as (H, W)"
        )
    images = images if images.ndim == 3 else images[None]
    count, height, width = images.shape
    margin = (2 ** (scales - 1) * size + 1) // 2  # a patch reaches this far beyond the edge

    x, y = (wide(centres[:, k]) for k in (0, 1))
    known = logical_and(x == x, y == y)  # not NaN

    def pixel(place: Tensor, n: int) -> Tensor:
        pixels: Tensor = (clip(where(known, place, 0.0), -1, 1) + 1.0) * (n / 2)
        return pixels.astype(np.int64).reshape(len(centres), 1, 1)

    row, column = pixel(y, height), pixel(x, width)
    padded = pad(images, [(0, 0), (margin, margin), (margin, margin)])
    image = counted(count, images).reshape(-1, 1, 1)
    seen = []
    for k in range(scales):
        side = 2**k  # of the squares whose means are taken
        across = counted(side * size, images) + (margin - side * size // 2)
        patch = padded[image, row + across[:, None], column + across]
        seen.append(patch.reshape(len(centres), size, side, size, side).mean((2, 4)))
    return rows(known, stack(seen, axis=1), math.nan)


def patches(images: Input, size: int, stride: int) -> Tensor:
    """All patches of size x size pixels, one every `stride` pixels: the windows of a convolution, as vectors.

        z[b, n, (i size + j) C + c] = image[b, stride p + i, stride q + j, c],   n = p (number in a row) + q

    images  (B, H, W) or, with colours, (B, H, W, C), of any dtype

    The result is (B, N, size^2) or (B, N, size^2 C), the patches row by row from the upper left to the lower
    right; a Linear layer on it is a convolution. Raises ValueError if images have another rank, if size or
    stride is not a positive integer, or if the last patch does not end at the edge of the image: the pixels
    beyond it would be in no patch.

    >>> patches(np.arange(16.0).reshape(1, 4, 4), 2, 2).numpy().tolist()
    [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0], [8.0, 9.0, 12.0, 13.0], [10.0, 11.0, 14.0, 15.0]]]
    """
    size = integer("patches", "size", size, "[1, inf)")
    stride = integer("patches", "stride", stride, "[1, inf)")
    images = as_tensor(images)
    if images.ndim not in (3, 4):
        raise ValueError(f"patches needs images (B, H, W) or (B, H, W, C), got {describe(images)}")
    if any(n < size or (n - size) % stride for n in images.shape[1:3]):
        raise ValueError(
            f"patches needs images whose sides are {size} + a multiple of {stride}, the stride, got "
            f"{describe(images)}; crop the images, or pad them"
        )
    down, across = (
        stride * np.arange((n - size) // stride + 1)[:, None] + np.arange(size) for n in images.shape[1:3]
    )
    cut = images[:, down[:, None, :, None], across[None, :, None, :]]
    return cut.reshape(len(images), len(down) * len(across), math.prod(cut.shape[3:]))
