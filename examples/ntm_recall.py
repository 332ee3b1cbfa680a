"""Associative recall: read up to 6 items of 3 rows of 6 bits, then one of them again; which item came after it?

    .venv/bin/python examples/ntm_recall.py  # --resume continues an interrupted run
    .venv/bin/python examples/ntm_recall.py --small  # a few minutes

The third task of Graves, Wayne & Danihelka (2014), at their size, for a neural Turing machine and an LSTM as in
examples/ntm_copy.py. The network must find a place in its memory by content, and read the next place. After the
training both are tested on more items too. The figure is the number of wrong bits in a sequence.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

from ntm_copy import Copier, Copiers, SmallCopier

from tinygrad_seq.tasks import associative_recall
from tinygrad_seq.training import command


class Recaller(Copier):
    bits, longest, rows = 6, 6, 3

    def draw(self, rng, batch, items=None):
        items = items or rng.integers(2, self.longest + 1)
        return associative_recall(int(items), batch, rows=self.rows, bits=self.bits, rng=rng)


class Recallers(Copiers):
    learner = Recaller
    tests = tuple({"items": items} for items in (6, 8, 10, 15, 20))


class SmallRecaller(SmallCopier, Recaller):
    """Up to 4 items of one row of 6 bits."""

    bits, longest, rows = 6, 4, 1


class SmallRecallers(Copiers):
    learner = SmallRecaller
    tests = tuple({"items": items} for items in (4, 6, 8))


if __name__ == "__main__":
    command(Recallers, __doc__, __file__, steps=30_000, forms={"small": (SmallRecallers, 8000)})
