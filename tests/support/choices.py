"""Choices: the whole numbers that a random program is made from.

Everything random about a program comes from calls of `below(n)`, so a program is a list of numbers. Such a
list is drawn by a generator of Python, which is fast, or by Hypothesis, or it is read again. `smallest` makes
it shorter, and its numbers lower, as long as the program still fails. A generator of programs keeps to one
convention: zero is the simplest choice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import strategies as st

Option = TypeVar("Option")


class Choices:
    """Whole numbers from a generator of Python; `made` are those so far."""

    def __init__(self, *seed: int) -> None:
        self.made: list[int] = []
        self._random = random.Random(repr(seed)).random

    def _next(self, n: int) -> int:
        return int(self._random() * n)

    def below(self, n: int) -> int:
        """A number from 0 to n - 1."""
        number = self._next(n)
        self.made.append(number)
        return number

    def one_of(self, options: Sequence[Option]) -> Option:
        """One of the options; the first is the simplest."""
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        """Whether something rare happens; the simplest is that it does not."""
        return self.below(100) >= 100 - percent

    def many(self, most: int, percent: int = 75):
        """Up to `most` turns of a loop; each is taken or not, so that one can be left out alone."""
        for _ in range(most):
            if not self.chance(percent):
                return
            yield


class Read(Choices):
    """The numbers of a list again; zeros after its end."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.made = []
        self._numbers = iter(numbers)

    def _next(self, n: int) -> int:
        return min(next(self._numbers, 0), n - 1)


class Drawn(Choices):
    """Numbers that Hypothesis draws."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.made = []
        self._draw = draw

    def _next(self, n: int) -> int:
        return self._draw(st.integers(0, n - 1))


def smallest(numbers: Sequence[int], fails: Callable[[Choices], bool], tries: int = 1500) -> list[int]:
    """A list as short and as low as possible with which `fails` is still true, after at most `tries` calls."""
    best = list(numbers)
    left = tries

    def better(candidate: list[int]) -> bool:
        nonlocal best, left
        if left <= 0:
            return False
        left -= 1
        source = Read(candidate)
        if fails(source) and (len(source.made), source.made) < (len(best), best):
            best = source.made
            return True
        return False

    improved = True
    while improved and left > 0:
        improved = False
        for size in (32, 16, 8, 5, 4, 3, 2, 1):
            i = len(best) - size
            while i >= 0:
                i = min(i, len(best) - size)
                improved |= better(best[:i] + best[i + size :])
                i -= 1 if size < 4 else size // 2
        for i in range(len(best)):
            for lower in (lambda n: 0, lambda n: n // 2, lambda n: n - 1):
                if i < len(best) and best[i] and better([*best[:i], lower(best[i]), *best[i + 1 :]]):
                    improved = True
    return best
