"""Films: sequences of frames, with a label for each frame."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.init import Rng

GLYPHS = [  # 5 x 3 pixels, row by row from the top
    "111101101101111",
    "010110010010111",
    "111001111100111",
    "111001111001111",
    "101101111001001",
    "111100111001111",
    "111100111101111",
    "111001001001001",
    "111101111101111",
    "111101111001111",
]
DIRECTIONS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]  # up or down, left or right


def moving_digits(
    frames: int, batch: int, *, size: int = 12, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """In which direction does a digit move? It moves through a film and bounces off the edges.

    Returns films (T, B, size, size), float32 within 0 ... 1 with a little noise; the directions (T, B) of the
    move before each frame: up-left 0, up-right 1, down-left 2, down-right 3; and the digits (B,). A single
    frame does not show the direction. The direction of the first frame is that of a move before the film
    begins. Made up for this project.

    >>> films, directions, digits = moving_digits(20, 3, rng=0)
    >>> films.shape, directions.shape, digits.shape
    ((20, 3, 12, 12), (20, 3), (3,))
    """
    frames = integer("moving_digits", "frames", frames, "[0, inf)")
    batch = integer("moving_digits", "batch", batch, "[0, inf)")
    size = integer("moving_digits", "size", size, "[7, inf)")
    rng = np.random.default_rng(rng)
    digits, directions = rng.integers(0, 10, batch), np.zeros((frames, batch), np.int64)
    films = rng.uniform(0, 0.3, (frames, batch, size, size)).astype(np.float32)
    for i, digit in enumerate(digits):
        glyph = np.array(list(GLYPHS[digit]), np.float32).reshape(5, 3) * 0.7
        room = np.array([size - 5, size - 3])
        place, way = rng.integers(1, room), np.array(DIRECTIONS[rng.integers(4)])
        for t in range(frames):
            films[t, i, place[0] : place[0] + 5, place[1] : place[1] + 3] += glyph
            directions[t, i] = DIRECTIONS.index((way[0], way[1]))
            way = np.where((place + way < 0) | (place + way > room), -way, way)
            place = place + way
    return films, directions, digits
