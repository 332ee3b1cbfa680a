"""Sequence tasks: generators that draw random sequences as the tasks' sources define them.

Every task takes the number of rows or steps, and a random generator or a seed; it returns NumPy arrays, time
first. Tasks on symbols are in `symbols.py`, on numbers in `signals.py`, on films in `films.py`, and on bits to
remember in `memory.py`. Tasks for adaptive computation time are in `ponder.py`, images in which something is to
be found in `clutter.py`, and images with captions in `scenes.py`.
Files here may import `nn` and lower layers; they draw data and train nothing.
"""

from tinygrad_seq.tasks.clutter import cluttered, distorted, paired
from tinygrad_seq.tasks.films import moving_digits
from tinygrad_seq.tasks.memory import associative_recall, copy, repeat_copy
from tinygrad_seq.tasks.ponder import addition, logic, parity, sort
from tinygrad_seq.tasks.scenes import scenes
from tinygrad_seq.tasks.signals import adding, mackey_glass, narma10, waveform
from tinygrad_seq.tasks.symbols import (
    first_key,
    hello,
    identical_halves,
    promoters,
    reversal,
    spelled,
    temporal_order,
)

__all__ = [
    "adding",
    "addition",
    "associative_recall",
    "cluttered",
    "copy",
    "distorted",
    "first_key",
    "hello",
    "identical_halves",
    "logic",
    "mackey_glass",
    "moving_digits",
    "narma10",
    "paired",
    "parity",
    "promoters",
    "repeat_copy",
    "reversal",
    "scenes",
    "sort",
    "spelled",
    "temporal_order",
    "waveform",
]
