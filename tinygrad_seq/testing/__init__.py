"""The property-testing kit: the laws that every primitive obeys, and what tries to break them.

    check_primitive(op)          your own primitive, held to all the laws that those of this package are under
    check_grad(f, *inputs)       any function of Tensors, against finite differences, to any order
    tensors, arrays_for, ...     Hypothesis strategies, for laws of your own

The tests of this package run exactly these functions. Hypothesis is imported here and nowhere else in the
package. `docs/testing.md` is the introduction, `examples/your_own_op.py` the shortest one.
"""

try:
    import hypothesis as hypothesis
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ModuleNotFoundError(
        'tinygrad_seq.testing needs Hypothesis, which is not installed: pip install -e ".[testing]"',
        name="hypothesis",
    ) from None

from tinygrad_seq.testing.arrays import arrays_for, broadcastable, tensors
from tinygrad_seq.testing.check import LAWS, check_primitive, drawn, hold, laws_of
from tinygrad_seq.testing.differences import TOLERANCE
from tinygrad_seq.testing.gradients import check_grad
from tinygrad_seq.testing.mutants import Mutant, derivative_mutants, killer, riding_mutants
from tinygrad_seq.testing.strategies import Call, calls
from tinygrad_seq.testing.zero import EXEMPT, Exemption

__all__ = [  # in the order in which a reader should meet them
    # proofs in one line
    "check_primitive",
    "check_grad",
    # strategies
    "tensors",
    "arrays_for",
    "broadcastable",
    "calls",
    "Call",
    # the laws, one by one
    "LAWS",
    "laws_of",
    "hold",
    "TOLERANCE",
    "EXEMPT",
    "Exemption",
    # proofs that the laws notice
    "Mutant",
    "derivative_mutants",
    "riding_mutants",
    "killer",
    "drawn",
]
