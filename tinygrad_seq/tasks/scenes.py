"""Scenes: small colour images of two shapes, and the sentences that describe them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.init import Rng

SIZE = 24  # pixels, the side of an image
SHAPES = ("square", "circle", "triangle", "cross")
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
RELATIONS = ("left of", "right of", "above", "below")  # a relation, and after it the opposite one
WORDS = ("$", "a", *COLOURS, *SHAPES, "left", "right", "above", "below", "of")  # $ is the end of a sentence
DOWN, ACROSS = np.mgrid[-3:4, -3:4]
DRAWN = np.array(  # 7 x 7 pixels for each shape
    [
        (DOWN == DOWN),
        DOWN**2 + ACROSS**2 <= 10,
        2 * abs(ACROSS) <= DOWN + 3,
        (abs(DOWN) <= 1) | (abs(ACROSS) <= 1),
    ]
)


def scenes(batch: int, *, held_out: bool = False, rng: Rng = None) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Where are two shapes? Images (B, 24, 24, 3), float32, and for each its two true captions.

    A shape is one of 4 in one of 4 colours, of 7 x 7 pixels, on noise from U(0, 0.1). The centres are between 3
    and 20, at least 8 apart down or across, and these two distances differ by more than 2; the relation is that
    of the larger distance. "a red square left of a blue circle" and "a blue circle right of a red square" are
    the two true captions of one scene, in random order. `WORDS` are all words; the first, $, marks the end.

    With 4 shape + colour as the number of each of the two, pairs whose sum is a multiple of 7 never occur; with
    `held_out`, only these pairs occur: a network that describes them has not seen them together before. Made up
    for this project.

    >>> images, captions = scenes(2, rng=1)
    >>> images.shape, captions[0]
    ((2, 24, 24, 3), ('a yellow circle left of a red triangle', 'a red triangle right of a yellow circle'))
    """
    batch = integer("scenes", "batch", batch, "[0, inf)")
    rng = np.random.default_rng(rng)
    numbers = drawn(lambda n: rng.integers(0, 16, (n, 2)), lambda x: (x.sum(1) % 7 == 0) == held_out, batch)
    centres = drawn(lambda n: rng.integers(3, SIZE - 3, (n, 2, 2)), apart, batch)
    images = rng.uniform(0, 0.1, (batch, SIZE, SIZE, 3)).astype(np.float32)
    captions = []
    for image, pair, ((top, left), (bottom, right)) in zip(images, numbers, centres, strict=True):
        for number, row, column in zip(pair, (top, bottom), (left, right), strict=True):
            shape, colour = divmod(number, 4)
            place = image[row - 3 : row + 4, column - 3 : column + 4]
            place[DRAWN[shape]] += 0.9 * np.array(list(COLOURS.values())[colour], np.float32)
        down, across = bottom - top, right - left
        relation = (0 if across > 0 else 1) if abs(across) > abs(down) else (2 if down > 0 else 3)
        first, second = (f"a {list(COLOURS)[n % 4]} {SHAPES[n // 4]}" for n in pair)
        opposite = RELATIONS[relation ^ 1]
        captions.append((f"{first} {RELATIONS[relation]} {second}", f"{second} {opposite} {first}"))
    return images, captions


def apart(centres: np.ndarray) -> np.ndarray:
    """Whether two centres are so far apart, down or across, that their relation is clear."""
    down, across = abs(centres[:, 0] - centres[:, 1]).T
    return (np.maximum(down, across) >= 8) & (abs(down - across) > 2)


def drawn(
    draw: Callable[[int], np.ndarray], accepted: Callable[[np.ndarray], np.ndarray], count: int
) -> np.ndarray:
    """`count` rows of draw(n), a stack of n random draws, for which `accepted` is true."""
    rows = draw(0)
    while len(rows) < count:
        more = draw(2 * count + 8)
        rows = np.concatenate([rows, more[accepted(more)]])
    return rows[:count]
