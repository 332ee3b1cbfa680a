"""Repeat copy: hear up to 10 rows of 8 bits and how often to say them, up to 10 times; then, that it is over.

    python examples/ntm_repeat_copy.py            # or --small, a few minutes; --resume, after an interruption

The second task of Graves, Wayne & Danihelka (2014), at their size, a neural Turing machine beside an LSTM as in
examples/ntm_copy.py: to go back to where the rows began, and to count. Then both hear more rows, and larger
numbers, than ever before. The figure is the number of wrong bits in a sequence.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: more threads mostly wait

from ntm_copy import Copier, Copiers, SmallCopier

from tinygrad_seq.tasks import repeat_copy
from tinygrad_seq.training import command


def tests(*pairs):
    return tuple({"length": length, "repeats": repeats} for length, repeats in pairs)


class Repeater(Copier):
    longest, most = 10, 10

    def draw(self, rng, batch, length=None, repeats=None):
        length, repeats = length or rng.integers(1, self.longest + 1), repeats or rng.integers(1, self.most + 1)
        return repeat_copy(int(length), int(repeats), batch, bits=self.bits, most=self.most, rng=rng)


class Repeaters(Copiers):
    learner, tests = Repeater, tests((10, 10), (20, 10), (10, 20))


class SmallRepeater(SmallCopier, Repeater):
    """Up to 3 rows of 4 bits, up to 3 times."""

    longest, most = 3, 3


class SmallRepeaters(Copiers):
    learner, tests = SmallRepeater, tests((3, 3), (6, 3), (3, 6))


if __name__ == "__main__":
    command(Repeaters, __doc__, __file__, steps=30_000, forms={"small": (SmallRepeaters, 4000)})
