"""The property-testing kit. A *law* is a property that every op must have and that Hypothesis tries to break.

    check_primitive(op)          tests your own primitive with the laws that the primitives of this package obey
    check_grad(f, *inputs)       compares the derivatives of any function of Tensors with finite differences
    tensors, arrays_for, ...     Hypothesis strategies, for laws of your own

The tests of this package call the same functions. This is the top layer: it may import every other folder, none
may import it, and only files here import Hypothesis. `docs/testing.md` is the introduction,
`examples/your_own_op.py` a short example.
"""

try:
    import hypothesis as hypothesis
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ModuleNotFoundError(
        'tinygrad_seq.testing needs Hypothesis, which is not installed; run pip install -e ".[testing]"',
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
    # checks in one line
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
    # checks that the laws find wrong rules
    "Mutant",
    "derivative_mutants",
    "riding_mutants",
    "killer",
    "drawn",
]
