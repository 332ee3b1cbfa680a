"""The law of scan: it is the unrolled loop, in every value and in every derivative.

Of random steps built from the registry, of every primitive in every place that an argument can come from, of
every cell.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_steps import TOLERANCE, agree, is_the_loop, leaf, random_loops, run

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.primitive import PRIMITIVES
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.scan.scan import PROGRAMS
from tinygrad_seq.signature import example
from tinygrad_seq.testing import drawn
from tinygrad_seq.testing.differences import noise
from tinygrad_seq.testing.riding import variant

OPS = list(PRIMITIVES.values())
MANY = settings(max_examples=max(150, settings().max_examples))


# --- random steps -------------------------------------------------------------------------------------


@MANY
@given(random_loops(), st.sampled_from([0, 0, 1, 2, 5]))
def test_a_random_step(loop, dropped):
    """Values and gradients, also where some outputs have no cotangent."""
    init, xs, weights, by = loop.given()
    is_the_loop(loop.step(weights), init, xs, by, seed=loop.seed, dropped=dropped, **loop.how())


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
@settings(max_examples=max(2, settings().max_examples // 10))
@given(loop=st.data())
def test_a_random_step_with(name, loop):
    loop = loop.draw(random_loops(name))
    init, xs, weights, by = loop.given()
    is_the_loop(loop.step(weights), init, xs, by, seed=loop.seed, **loop.how())
