"""Small images, such as digits, somewhere on a larger one: where to look becomes a part of the task.

The small images are given, floats of 0 or more; the background is 0. Where two overlap, the larger value is
taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.nn.init import Rng


def cluttered(images: ArrayLike, size: int, *, pieces: int = 4, side: int = 8, rng: Rng = None) -> np.ndarray:
    """Every image at a random place of a larger one, among pieces of the other images (Mnih et al. 2014).

    images  (B, h, w), floats
    size    the sides of the larger images
    pieces  the number of squares in each, which are cut out of randomly chosen images, at random places, and
            put at random places; with 0 the images are only translated
    side    the sides of these squares

    Returns (B, size, size), in the dtype of the images. Raises ValueError if an image or a square does not fit.

    >>> cluttered(np.ones((3, 5, 4)), 12, pieces=2, side=2, rng=0).shape
    (3, 12, 12)
    """
    images, rng = floats("cluttered", images, 3, "(B, h, w)"), np.random.default_rng(rng)
    size = integer("cluttered", "size", size, "[0, inf)")
    pieces = integer("cluttered", "pieces", pieces, "[0, inf)")
    side = integer("cluttered", "side", side, "[1, inf)")
    count, *sides = images.shape
    if max(sides) > size or (pieces and side > min(sides)):
        raise ValueError(
            f"cluttered needs images that fit into {size} x {size}, and squares of {side} x {side} that fit "
            f"into the images, got images of {sides[0]} x {sides[1]}"
        )
    larger = np.zeros((count, size, size), images.dtype)
    put(larger, images, corners(rng, larger, sides))
    for _ in range(pieces):
        others = images[rng.permutation(count)]
        cut = others[windows(corners(rng, others, (side, side)), (side, side))]
        put(larger, cut, corners(rng, larger, (side, side)))
    return larger


def paired(images: ArrayLike, height: int, width: int, *, rng: Rng = None) -> np.ndarray:
    """Two images in a larger one, the first to the left of the second, so that no column belongs to both.

    images  (2, B, h, w), floats: the first images, and the second ones

    Returns (B, height, width), in the dtype of the images; the places of both are random. Raises ValueError if
    two images do not fit side by side.

    >>> paired(np.ones((2, 3, 5, 4)), 6, 12, rng=0).sum((1, 2)).tolist()
    [40.0, 40.0, 40.0]
    """
    images, rng = floats("paired", images, 4, "(2, B, h, w)"), np.random.default_rng(rng)
    height = integer("paired", "height", height, "[0, inf)")
    width = integer("paired", "width", width, "[0, inf)")
    two, count, *sides = images.shape
    if two != 2 or sides[0] > height or 2 * sides[1] > width:
        raise ValueError(
            f"paired needs images (2, B, h, w) of which two fit side by side into {height} x {width}, got "
            f"{describe(images)}"
        )
    larger = np.zeros((count, height, width), images.dtype)
    free = np.sort(rng.integers(0, width - 2 * sides[1] + 1, (2, count)), axis=0)
    for k in (0, 1):
        top = rng.integers(0, height - sides[0] + 1, count)
        put(larger, images[k], np.stack([top, free[k] + k * sides[1]], axis=1))
    return larger


def distorted(images: ArrayLike, *, strength: float = 0.1, shift: float = 0.0, rng: Rng = None) -> np.ndarray:
    """Every image rotated, scaled, sheared and moved a little, at random: as if it were drawn once more.

    images    (B, h, w), floats
    strength  the standard deviation of the elements of A - I, where pixel A q + d moves to q (both counted from
              the middle of the image)
    shift     d is drawn from U(-shift, shift) in both directions, in pixels

    Pixels between pixels are interpolated linearly; outside of the image they are 0. Returns (B, h, w), in the
    dtype of the images.

    >>> distorted(np.ones((3, 5, 4)), rng=0).shape
    (3, 5, 4)
    """
    images, rng = floats("distorted", images, 3, "(B, h, w)"), np.random.default_rng(rng)
    strength = number("distorted", "strength", strength, "[0, inf)")
    shift = number("distorted", "shift", shift, "[0, inf)")
    count, *sides = images.shape
    maps = np.eye(2) + strength * rng.standard_normal((count, 1, 1, 2, 2))
    moves = rng.uniform(-shift, shift, (count, 1, 1, 2))
    middle = (np.array(sides) - 1) / 2
    places = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), axis=-1) - middle
    places = (maps @ places[..., None])[..., 0] + moves + middle
    places = np.clip(places, -1, sides) + 1  # in the image with a margin of 1 before and 2 after it
    whole = np.floor(places).astype(np.int64)
    (i, j), (y, x) = np.moveaxis(whole, -1, 0), np.moveaxis(places - whole, -1, 0).astype(images.dtype)
    padded, row = np.pad(images, [(0, 0), (1, 2), (1, 2)]), np.arange(count)[:, None, None]
    above = (1 - x) * padded[row, i, j] + x * padded[row, i, j + 1]
    below = (1 - x) * padded[row, i + 1, j] + x * padded[row, i + 1, j + 1]
    return (1 - y) * above + y * below


def floats(task: str, images: ArrayLike, rank: int, shape: str) -> np.ndarray:
    """The images as an array; ValueError for another rank, TypeError for another kind of numbers."""
    images = np.asarray(images)
    if images.dtype.kind != "f" or images.ndim != rank:
        kind = ValueError if images.dtype.kind == "f" else TypeError
        raise kind(f"{task} needs images {shape} of floats, got {describe(images)}")
    return images


def corners(rng: np.random.Generator, larger: np.ndarray, sides) -> np.ndarray:
    """For each of these images, the upper left corner of a window at a random place, (B, 2)."""
    return rng.integers(0, np.subtract(larger.shape[1:], sides) + 1, (len(larger), 2))


def windows(corners: np.ndarray, sides) -> tuple[np.ndarray, ...]:
    """The index of a window of each image, with these upper left corners (B, 2)."""
    down, across = (corners[:, i, None] + np.arange(n) for i, n in enumerate(sides))
    return np.arange(len(corners))[:, None, None], down[:, :, None], across[:, None, :]


def put(larger: np.ndarray, images: np.ndarray, corners: np.ndarray) -> None:
    """Put an image on each larger one, in place."""
    at = windows(corners, images.shape[1:])
    larger[at] = np.maximum(larger[at], images)
