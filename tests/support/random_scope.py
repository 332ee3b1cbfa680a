"""The scope of a random program while it is written: its names, their values at the first step, its text."""

from __future__ import annotations

import numpy as np
from choices import Choices
from loop_programs import HELPERS, Given

import tinygrad_seq as ts
from tinygrad_seq.scan import unrolled

SHAPES = [(2,), (), (2, 3), (3,), (1,), (1, 3), (3, 1), (2, 1, 3), (0,), (2, 0), (4,), (4, 2)]
PALETTES = [["f8"]] * 7 + [["f4"], ["f4"], ["f8", "f4"], ["f8", "f4"], ["f4", "f2"], ["f8", "f2"]]
MOST = 20.0  # a larger value goes through tanh
REFUSED = (  # what a call that is not possible may raise
    ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError, RuntimeError, AttributeError,
    np.linalg.LinAlgError,
)  # fmt: skip


def loop_of_one(step, init, xs=None, *, remat=None, **how):
    """The Python loop."""
    return unrolled(step, init, xs, **how)


class Scope:
    """The names of a program; the calls of `random_calls.py` draw their arguments from it.

    env     the value of every name, at the first step
    pool    the names that a statement may use, the newest last
    lines   the text so far
    given   the arguments of the program
    twin    two numbers for the name k, for each of which the program is run; None for no such name
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.seed = choices.below(1000)
        self.palette = choices.one_of(PALETTES)
        self.env: dict = {**HELPERS, "loop": loop_of_one}
        self.lines: list[str] = []
        self.pool: list[str] = []
        self.given: list[Given] = []
        self.depth, self.count = 1, 0
        self.twin: tuple[str, str] | None = None

    def shape(self, name: str) -> tuple[int, ...]:
        return np.shape(self.env[name])

    def tensor(self, like: str | None = None) -> str:
        """The name of a tensor; `like` is one that it has to broadcast with."""
        names = [n for n in self.pool if isinstance(self.env[n], ts.Tensor)]
        if like is not None:
            shape = self.shape(like)
            names = [n for n in names if broadcast(self.shape(n), shape)] or [like]
        if not names or (len(names) < 6 and not self.choices.below(6)):
            return self.argument(SHAPES[0] if like is None else self.shape(like))
        return self.recent(names)

    def hosts(self, like: str) -> list[str]:
        """The arrays of the host that broadcast with a tensor."""
        arrays = [n for n in self.pool if isinstance(self.env[n], np.ndarray)]
        return [n for n in arrays if broadcast(self.shape(n), self.shape(like))]

    def recent(self, names: list[str]) -> str:
        """One of the names, mostly a late one."""
        if self.choices.chance(25):
            return self.choices.one_of(names)
        return names[-1 - self.choices.below(1 + self.choices.below(len(names)))]

    def new(self, letter: str = "v") -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def write(self, text: str) -> None:
        self.lines += ["    " * self.depth + line for line in text.split("\n")]

    def since(self, start: int) -> str:
        """The text from a line on, as it is run outside of all functions."""
        return "\n".join(line[4 * self.depth :] for line in self.lines[start:])

    def run(self, text: str) -> None:
        with np.errstate(all="ignore"):
            exec(text, self.env)

    def argument(self, shape: tuple[int, ...] | None = None, dtype: str | None = None) -> str:
        """A new argument of the program."""
        choices = self.choices
        shape = choices.one_of(SHAPES) if shape is None else shape
        kind = choices.below(12)
        dtype = dtype or (choices.one_of(self.palette) if kind < 10 else "i8" if kind == 10 else "?")
        real = np.dtype(dtype).kind == "f"
        given = Given(
            f"l{len(self.given)}", shape, dtype, real and choices.below(6) < 5, real and choices.chance(8)
        )
        self.given.append(given)
        self.env[given.name] = ts.tensor(given.array(self.seed), requires_grad=given.gradient)
        self.pool.append(given.name)
        return given.name

    def assign(self, expression: str, before: str = "") -> list[str]:
        """A statement for the value, or values, of an expression; [] if it is refused or not usable.

        `before` opens a block around it.
        """
        try:
            with np.errstate(all="ignore"):
                made = eval(expression, self.env)
        except REFUSED:
            return []
        many = isinstance(made, (tuple, list))
        parts = list(made) if many else [made]
        if not parts or not all(map(usable, parts)):
            return []
        names = [self.new() for _ in parts]
        left = ", ".join(names) + ("," if many and len(names) == 1 else "")
        text = f"{left} = {expression}"
        for name, part in zip(names, parts, strict=True):
            if part.dtype.kind == "f" and part.size and np.abs(part._array).max() > MOST:
                text += f"\n{name} = ts.tanh({name})"
        if before:
            text = before + "\n" + indented(text)
        self.run(text)
        self.write(text)
        self.pool += names
        return names

    def define(self, text: str) -> None:
        self.run(text)
        self.write(text)


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.split("\n"))


def usable(x) -> bool:
    """Whether a value can be used by later statements: small, and finite."""
    if not isinstance(x, ts.Tensor) or x.ndim > 4 or x.size > 100 or x.dtype.kind not in "fiub":
        return False
    return bool(np.isfinite(x._array).all() and (x.dtype.kind == "f" or np.all(np.abs(x._array) < 1e6)))


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or m == 1 or n == 1 for m, n in zip(a[::-1], b[::-1], strict=False))
