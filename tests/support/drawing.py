"""Calls of primitives that many tests are held against: always the same ones, so drawn once in a process."""

import functools

from tinygrad_seq import testing

drawn = functools.cache(testing.drawn)
