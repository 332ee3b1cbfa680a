"""Calls of primitives for several tests: the draws are always the same, so they are made once per process."""

import functools

from tinygrad_seq import testing

drawn = functools.cache(testing.drawn)
