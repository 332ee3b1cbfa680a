"""Tasks in which some inputs need more computation than others (Graves 2016, Adaptive computation time).

One vector may need one step of reasoning or ten. All sequences of a batch have the same length: draw it anew
for every batch. The source draws 1 ... 10 vectors for `logic`, 1 ... 5 numbers for `addition`, and 2 ... 15 for
`sort`; Fojo, Campos & Giro-i-Nieto (2018) always take 5 for `addition` and 15 for `sort`. The targets are for
the last steps, `ys[-len(targets):]`.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.init import Rng
from tinygrad_seq.tasks.memory import sizes

# the ten gates that depend on both P and Q: their outputs for (P, Q) = (1, 1), (1, 0), (0, 1), (0, 0)
GATES = {
    "NOR": (0, 0, 0, 1),
    "Xq": (0, 0, 1, 0),  # Q and not P
    "ABJ": (0, 1, 0, 0),  # P and not Q
    "XOR": (0, 1, 1, 0),
    "NAND": (0, 1, 1, 1),
    "AND": (1, 0, 0, 0),
    "XNOR": (1, 0, 0, 1),
    "if/then": (1, 0, 1, 1),  # if P, then Q
    "then/if": (1, 1, 0, 1),  # if Q, then P
    "OR": (1, 1, 1, 0),
}


def parity(batch: int, *, size: int = 64, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Is the number of ones odd? Vectors xs (B, size) of -1, 1 and 0, and labels 0 or 1, (B,).

    A sequence is a single vector. Its first n entries are -1 or 1, the others are 0. For each row, n is drawn
    from 1 ... `size`. float32.

    >>> parity(2, size=5, rng=0)
    (array([[ 1., -1., -1., -1., -1.],
           [-1., -1.,  1.,  1.,  0.]], dtype=float32), array([1, 0]))
    """
    batch, size = sizes("parity", batch=batch, size=size)
    rng = np.random.default_rng(rng)
    inside = np.arange(size) < rng.integers(1, size + 1, (batch, 1))
    xs = np.where(inside, rng.choice([-1, 1], (batch, size)), 0).astype(np.float32)
    return xs, (xs == 1).sum(1) % 2


def logic(length: int, batch: int, *, gates: int = 10, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """What is the output of a chain of logic gates? xs (T, B, 2 + 10 gates), and bits (T, B, 1). float32.

        b_{i+1} = gate_i(P = b_i, Q = b_{i-1})   for i = 1 ... n

    A vector holds the bits b_0 and b_1, then n one-hot gates out of the ten in `GATES`, then 0. For each
    vector, n is drawn from 1 ... `gates`. The target is b_{n+1}. It is also the b_0 of the next vector, in
    which that entry is 0. Raises ValueError if length < 1 or gates < 1.

    >>> xs, bits = logic(2, 1, gates=2, rng=2)
    >>> [(x[:2].tolist(), [list(GATES)[g.argmax()] for g in x[2:].reshape(2, 10) if g.any()]) for x in xs[:, 0]]
    [([1.0, 0.0], ['NAND']), ([0.0, 0.0], ['NAND', 'NOR'])]
    >>> bits[:, 0, 0]                              # not (0 and 1); b_2 = not (0 and 1), not (b_2 or 0)
    array([1., 0.], dtype=float32)
    """
    length, batch, gates = sizes("logic", length=length, batch=batch, gates=gates)
    rng = np.random.default_rng(rng)
    bits = rng.integers(0, 2, (length, batch, 2))
    bits[1:, :, 0] = 0
    chosen = rng.integers(0, len(GATES), (length, batch, gates))
    there = np.arange(gates) < rng.integers(1, gates + 1, (length, batch, 1))
    chunks = np.eye(len(GATES))[chosen] * there[..., None]
    xs = np.concatenate([bits, chunks.reshape(length, batch, -1)], axis=-1).astype(np.float32)

    tables, answers, before = np.array(list(GATES.values())), [], bits[0, :, 0]
    for t in range(length):
        b = bits[t, :, 1]
        for i in range(gates):
            after = tables[chosen[t, :, i], 3 - 2 * b - before]
            b, before = np.where(there[t, :, i], [after, b], [b, before])
        answers.append(b)
        before = b
    return xs, np.array(answers, np.float32)[..., None]


def addition(numbers: int, batch: int, *, digits: int = 5, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """What is the sum of the numbers so far? xs (T, B, 10 digits), and the digits of the sums, (T - 1, B, D).

    Every vector is a number: its digits, one-hot, concatenated from the first digit on, then 0. Each number has
    1 ... `digits` digits; their count and every digit are drawn at random, and the first digit may be 0. There
    is a sum for every number from the second on. A sum is D labels: its digits from the first on, 0 ... 9, then
    10 for blank, where D is the number of digits of the largest possible sum. xs is float32, the labels are
    integers. Raises ValueError if numbers < 2, or digits is outside 1 ... 15.

    >>> xs, sums = addition(3, 1, digits=2, rng=1)
    >>> [[int(d.argmax()) for d in x.reshape(2, 10) if d.any()] for x in xs[:, 0]], sums[:, 0].tolist()
    ([[4, 5], [7, 9], [0]], [[1, 2, 4], [1, 2, 4]])
    """
    numbers = integer("addition", "numbers", numbers, "[2, inf)")
    (batch,) = sizes("addition", batch=batch)
    digits = integer("addition", "digits", digits, "[1, 15]")  # so that the sums are exact
    rng = np.random.default_rng(rng)
    drawn = rng.integers(0, 10, (numbers, batch, digits))
    counts = rng.integers(1, digits + 1, (numbers, batch, 1))
    there = np.arange(digits) < counts
    xs = (np.eye(10)[drawn] * there[..., None]).reshape(numbers, batch, -1).astype(np.float32)
    worth = np.where(there, 10 ** np.clip(counts - 1 - np.arange(digits), 0, None), 0)
    sums = (drawn * worth).sum(-1).cumsum(0)[1:]
    places = len(str(numbers * (10**digits - 1)))
    written = [[[int(d) for d in str(n)] + [10] * (places - len(str(n))) for n in row] for row in sums]
    return xs, np.array(written)


def sort(numbers: int, batch: int, *, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """What is the ascending order of the numbers? xs (2N, B, 2), and the indices that sort them, (N, B).

    xs is N vectors, each of a number from a standard normal distribution and a flag, 1 for the last number,
    then N vectors of 0. The targets are the indices 0 ... N - 1 of the smallest number, the next, and so on. xs
    is float32, the targets are integers. Raises ValueError if numbers < 2.

    >>> xs, order = sort(3, 1, rng=0)
    >>> xs[:, 0].T.round(2), order[:, 0]
    (array([[ 0.13, -0.13,  0.64,  0.  ,  0.  ,  0.  ],
           [ 0.  ,  0.  ,  1.  ,  0.  ,  0.  ,  0.  ]], dtype=float32), array([1, 0, 2]))
    """
    numbers = integer("sort", "numbers", numbers, "[2, inf)")
    (batch,) = sizes("sort", batch=batch)
    xs = np.zeros((2 * numbers, batch, 2), np.float32)
    xs[:numbers, :, 0] = np.random.default_rng(rng).standard_normal((numbers, batch))
    xs[numbers - 1, :, 1] = 1
    return xs, xs[:numbers, :, 0].argsort(axis=0)
