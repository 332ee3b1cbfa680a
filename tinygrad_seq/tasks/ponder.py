"""Tasks that need more thought for some inputs than for others (Graves 2016, Adaptive computation time).

One vector may hold one step of reasoning or ten. All sequences of a batch have one length: draw it anew for
every batch, in the source from 1 ... 10 vectors for `logic`, 1 ... 5 numbers for `addition`, 2 ... 15 for
`sort`; Fojo, Campos & Giro-i-Nieto (2018) always take 5 and 15. The targets are those of the last steps,
`ys[-len(targets):]`.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.nn.init import Rng

# the ten gates that depend on both P and Q, as they are for (P, Q) = (1, 1), (1, 0), (0, 1), (0, 0)
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
    """Is the number of ones odd? Vectors (B, size) of -1 and 1, then 0, and labels 0 or 1 (B,).

    One vector is all there is of a sequence. How many of its entries are not 0, the first 1 ... `size` of them,
    is drawn for each row. float32.

    >>> parity(2, size=5, rng=0)
    (array([[ 1., -1., -1., -1., -1.],
           [-1., -1.,  1.,  1.,  0.]], dtype=float32), array([1, 0]))
    """
    rng = np.random.default_rng(rng)
    inside = np.arange(size) < rng.integers(1, size + 1, (batch, 1))
    xs = np.where(inside, rng.choice([-1, 1], (batch, size)), 0).astype(np.float32)
    return xs, (xs == 1).sum(1) % 2


def logic(length: int, batch: int, *, gates: int = 10, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """What comes out of a row of logic gates? xs (T, B, 2 + 10 gates), and bits (T, B, 1). float32.

        b_{i+1} = gate_i(P = b_i, Q = b_{i-1})   for i = 1 ... n

    A vector holds the bits b_0 and b_1 and then, one-hot, the n gates, of the ten of `GATES`; n is drawn from
    1 ... `gates` for each, and what is left of the vector is 0. The target is b_{n+1}, and it is the b_0 of the
    next vector, which has 0 in its place. ValueError for a length or gates below 1.

    >>> xs, bits = logic(2, 1, gates=2, rng=2)
    >>> [(x[:2].tolist(), [list(GATES)[g.argmax()] for g in x[2:].reshape(2, 10) if g.any()]) for x in xs[:, 0]]
    [([1.0, 0.0], ['NAND']), ([0.0, 0.0], ['NAND', 'NOR'])]
    >>> bits[:, 0, 0]                              # not (0 and 1); b_2 = not (0 and 1), not (b_2 or 0)
    array([1., 0.], dtype=float32)
    """
    if length < 1 or gates < 1:
        raise ValueError(f"logic needs one vector or more, of one gate or more, not {length} of {gates}")
    rng = np.random.default_rng(rng)
    bits = rng.integers(0, 2, (length, batch, 2))
    bits[1:, :, 0] = 0
    chosen = rng.integers(0, len(GATES), (length, batch, gates))
    there = np.arange(gates) < rng.integers(1, gates + 1, (length, batch, 1))
    chunks = np.eye(len(GATES))[chosen] * there[..., None]
    xs = np.concatenate([bits, chunks.reshape(length, batch, -1)], axis=-1).astype(np.float32)

    tables, said, before = np.array(list(GATES.values())), [], bits[0, :, 0]
    for t in range(length):
        b = bits[t, :, 1]
        for i in range(gates):
            after = tables[chosen[t, :, i], 3 - 2 * b - before]
            b, before = np.where(there[t, :, i], [after, b], [b, before])
        said.append(b)
        before = b
    return xs, np.array(said, np.float32)[..., None]


def addition(numbers: int, batch: int, *, digits: int = 5, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """What is the sum up to now? xs (T, B, 10 digits), and the digits of the sums, (T - 1, B, D).

    Every vector is a number of 1 ... `digits` digits, one-hot side by side from the first on, and behind them
    nothing. How many is drawn for each number, and so is every digit; the first may be 0. Sums are asked for
    from the second number on. Each is D labels, as many as the largest there can be has digits: its digits from
    the first on, 0 ... 9, and behind them 10. float32 and integers; ValueError for less than two numbers, or
    digits below 1.

    >>> xs, sums = addition(3, 1, digits=2, rng=1)
    >>> [[int(d.argmax()) for d in x.reshape(2, 10) if d.any()] for x in xs[:, 0]], sums[:, 0].tolist()
    ([[4, 5], [7, 9], [0]], [[1, 2, 4], [1, 2, 4]])
    """
    if numbers < 2 or digits < 1:
        raise ValueError(f"two numbers or more are added, of one digit or more, not {numbers} of {digits}")
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
    """In which order do they ascend? xs (2N, B, 2), and the places of the numbers, ascending, (N, B).

    N numbers from a normal distribution, and beside each a flag, 1 at the last; then N times nothing, while the
    answer is asked for: which of the vectors, 0 ... N - 1, held the smallest, the next, and so on. float32 and
    integers; ValueError for less than two numbers.

    >>> xs, order = sort(3, 1, rng=0)
    >>> xs[:, 0].T.round(2), order[:, 0]
    (array([[ 0.13, -0.13,  0.64,  0.  ,  0.  ,  0.  ],
           [ 0.  ,  0.  ,  1.  ,  0.  ,  0.  ,  0.  ]], dtype=float32), array([1, 0, 2]))
    """
    if numbers < 2:
        raise ValueError(f"two numbers or more are sorted, not {numbers}")
    xs = np.zeros((2 * numbers, batch, 2), np.float32)
    xs[:numbers, :, 0] = np.random.default_rng(rng).standard_normal((numbers, batch))
    xs[numbers - 1, :, 1] = 1
    return xs, xs[:numbers, :, 0].argsort(axis=0)
