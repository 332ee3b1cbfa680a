"""Sequence tasks, as generators: what their sources define, drawn anew for every batch.

Every task takes the number of rows or steps and a generator or a seed, and returns NumPy arrays, time first.
Those of symbols are in `symbols.py`, of numbers in `signals.py`, of films in `films.py`, of bits to remember in
`memory.py`, and those that need thought in `ponder.py`.
"""

from tinygrad_seq.tasks.films import moving_digits
from tinygrad_seq.tasks.memory import associative_recall, copy, repeat_copy
from tinygrad_seq.tasks.ponder import addition, logic, parity, sort
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
    "copy",
    "first_key",
    "hello",
    "identical_halves",
    "logic",
    "mackey_glass",
    "moving_digits",
    "narma10",
    "parity",
    "promoters",
    "repeat_copy",
    "reversal",
    "sort",
    "spelled",
    "temporal_order",
    "waveform",
]
