"""A random program with loops: a function of a loop and of arrays, as text that can be read and run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from random_calls import helpers

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.testing.differences import noise

HELPERS = {**helpers(ts), "leaves": tree.leaves}


@dataclass(frozen=True)
class Given:
    """An argument of a program: an array of this shape and dtype; `even` if its floats are whole numbers."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    gradient: bool
    even: bool = False

    def array(self, seed: int) -> np.ndarray:
        rng = np.random.default_rng([seed, int(self.name[1:])])
        if self.even:
            return rng.choice([0.0, 1.0, -1.0, -0.0, 2.0], self.shape).astype(self.dtype)
        if np.dtype(self.dtype).kind == "f":
            return np.asarray(noise(rng, self.shape, self.dtype))
        return rng.integers(0, 3, self.shape).astype(self.dtype)


@dataclass(frozen=True)
class Program:
    """A program: its text, its arguments, and what is special about it.

    refused   whether scan has to refuse it, where the Python loop may not
    honest    whether its derivative is the slope of its value: nothing in it stops a gradient
    traits    what else it uses: "no_grad", "derivative", "changed array"
    """

    text: str
    given: tuple[Given, ...]
    seed: int
    refused: bool
    honest: bool
    traits: frozenset[str]

    @property
    def dtypes(self) -> list[str]:
        return [g.dtype for g in self.given]

    @property
    def twin(self) -> bool:
        """Whether it is run for two values of a name k, the second of which may not fit."""
        return "def twin(k)" in self.text

    @property
    def plain(self) -> bool:
        """Whether NumPy can run it, and would give the same dtypes; the square of a boolean array is int8."""
        return not self.traits and not self.refused and "f2" not in self.dtypes and "**" not in self.text

    @cached_property
    def code(self):
        return compile(self.text, "<a random program>", "exec")

    def function(self, names: dict | None = None):
        """The program as a function of a loop and tensors; `names` replace those of the helpers."""
        env = HELPERS | (names or {})
        exec(self.code, env)
        return env["program"]

    def arrays(self, more: int = 0) -> list[np.ndarray]:
        """The arguments; others for another `more`."""
        return [g.array(self.seed + 1000 * more) for g in self.given]

    def __repr__(self) -> str:
        lines = [
            f"{g.name} = {g.dtype}{list(g.shape)}{' d' * g.gradient}{' even' * g.even}" for g in self.given
        ]
        return "\n".join([self.text, "# " + ", ".join(lines) + f"; seed {self.seed}"])
