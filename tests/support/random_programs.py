"""Random programs: random graphs of ops.

A program is a list of steps; each applies an op to known values, inputs among them, and appends its results. A
value is used once, several times, or never; two paths that meet again have any length.
"""

from hypothesis import settings
from hypothesis import strategies as st

import tinygrad_seq as ts

SHAPE = (2, 3)


OPS = [  # from values of SHAPE to values of SHAPE; they do not grow, so that finite differences stay accurate
    lambda x, y: [x + y],
    lambda x, y: [x - 0.5 * y],
    lambda x, y: [ts.tanh(x) * ts.tanh(y)],
    lambda x, y: [x / (2.0 + ts.sigmoid(y))],
    lambda x, y: [x[::-1], y[:, [2, 0, 0]]],
    lambda x, y: [ts.softmax(x @ y.T) @ y],
    lambda x, y: ts.split(ts.concatenate([x, y, x]), 3),
    lambda x, y: [ts.stack(list(x.T), axis=1), y],
    lambda x, y: [ts.logsumexp(x, axis=0) + y],
    lambda x, y: [ts.broadcast_to(x.mean(axis=1, keepdims=True), SHAPE) * y],
    lambda x, y: [x.reshape(3, 2).T.reshape(3, 2).T + 0.0 * y],
    lambda x, y: [x, x + x],
]


MANY = settings(max_examples=max(100, settings().max_examples))


STEP = st.tuples(st.integers(0, len(OPS) - 1), st.integers(0, 9), st.integers(0, 9))  # op, and two values


STEPS = st.lists(STEP, min_size=1, max_size=8)


def run(steps, *inputs):
    """The last four values of the program, or fewer."""
    pool = list(inputs)
    for op, i, j in steps:
        pool += OPS[op](pool[-1 - i % len(pool)], pool[-1 - j % len(pool)])
    return tuple(pool[-4:])
