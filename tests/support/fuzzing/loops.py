"""scan, compared with the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.derivatives import NAMES
from fuzzing.draw import INVALID
from tinygrad_seq import tree

STEPS: list[tuple[str, Callable]] = [  # the form of the carry, and a step
    ("x", lambda c, x: (np.tanh(c + x), c * x)),
    ("x", lambda c, x: (c * 0.5 + x, None)),
    ("pair", lambda c, x: ((c[1], np.sin(c[0]) + x), (c[0], {"y": x * 2.0}))),
    ("dict", lambda c, x: ({"h": np.tanh(c["h"] + x), "n": None}, [c["h"]])),
    ("x", lambda c, x: (c + x * x, c)),
]


@subject("scan", 300, also=NAMES)
def scan(d: Draw) -> Call:
    form, step = d.one_of(STEPS)
    length, batch = d.one_of([0, 1, 2, 5]), d.one_of([(), (1,), (3,), (0,)])
    dtype, reverse = d.one_of(["f8", "f8", "f4"]), d.chance(0.3)

    def one(name: str, shape: tuple[int, ...]) -> Any:
        x = d.rng.normal(size=shape).astype(dtype)
        leaf = ts.tensor(x, requires_grad=d.chance(0.7))
        if leaf.requires_grad:
            d.leaves[name] = leaf
        d.dtypes.append(np.dtype(dtype))
        return d.kept_(name, leaf)

    c = one("c", batch)
    init = {"x": lambda: c, "pair": lambda: (c, one("e", batch)), "dict": lambda: {"h": c, "n": None}}[form]()
    xs = one("xs", (length, *batch))
    options: dict = {"reverse": True} if reverse else {}
    if d.chance(0.2):
        options["remat"] = d.integer("remat", [1, 2, 3])
    if d.chance(0.2):
        options["length"] = d.given("length", length if d.chance(0.7) else length + 1, None)
        if options["length"] != length:
            d.judged(INVALID)
    if d.chance(0.06):
        d.judged(INVALID)
        what = d.one_of(["xs", "step", "carry", "result"])
        d.said.append(what)
        if what == "xs":
            xs = d.one_of([3.0, ts.tensor(1.0), (xs, xs[:-1]) if length else 3.0])
        elif what == "step":
            step = d.one_of([None, 3, "abc"])
        elif what == "carry":
            step = lambda c, x: ((c, c), x)  # noqa: E731
        else:
            step = lambda c, x: c  # noqa: E731
        if not length and what in ("carry", "result"):
            d.verdict = "either"
    if length == 0:
        d.verdict = INVALID if d.verdict == INVALID else "either"
    d.said.append(f"form={form}, reverse={reverse}")
    found = ts.scan(step, init, xs, **options)

    def oracle(v: Values):
        carry = {"x": lambda: v.c, "pair": lambda: (v.c, v.e), "dict": lambda: {"h": v.c, "n": None}}[form]()
        ys: list = [None] * length
        for t in reversed(range(length)) if reverse else range(length):
            carry, ys[t] = step(carry, v.xs[t])
        return carry, [np.stack(part) for part in zip(*map(tree.leaves, ys), strict=True)]

    return Call(found, oracle)
