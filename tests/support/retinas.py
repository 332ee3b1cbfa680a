"""A retina pixel by pixel, in NumPy."""

import math

import numpy as np


def retina_by_hand(images, centres, size, scales):
    """The patches (B, scales, size, size) of images (B, H, W) around centres (B, 2)."""
    return np.stack([patches(*pair, size, scales) for pair in zip(images, centres, strict=True)])


def patches(image, centre, size, scales):
    """The mean of the pixels that each element of a patch covers, one after the other; outside they are 0."""
    height, width = image.shape
    x, y = np.clip(centre, -1, 1)
    row, column = math.floor((y + 1) / 2 * height), math.floor((x + 1) / 2 * width)
    seen = np.zeros((scales, size, size))
    for k, i, j in np.ndindex(seen.shape):
        first = row - 2**k * size // 2 + 2**k * i, column - 2**k * size // 2 + 2**k * j
        places = [(first[0] + a, first[1] + b) for a in range(2**k) for b in range(2**k)]
        inside = [image[y, x] for y, x in places if 0 <= y < height and 0 <= x < width]
        seen[k, i, j] = math.fsum(inside) / 4**k
    return seen
