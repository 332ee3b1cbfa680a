"""Repeat copy: output up to 10 rows of 8 bits as many times as a number says, up to 10, then an end mark.

    .venv/bin/python examples/ntm_repeat_copy.py  # --resume continues an interrupted run
    .venv/bin/python examples/ntm_repeat_copy.py --small  # a few minutes

The second task of Graves, Wayne & Danihelka (2014), at their size, for a neural Turing machine and an LSTM as
in examples/ntm_copy.py. The network must return to the first row, and count. After the training both are tested
on more rows and on larger numbers too. The figure is the number of wrong bits in a sequence.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

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
