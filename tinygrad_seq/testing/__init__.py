"""The property-testing kit: the laws that every primitive obeys, and what tries to break them.

`check_primitive(op)` holds one of your own primitives to them in one line, `check_grad(f, *arrays)` holds
any function of Tensors against finite differences. Hypothesis is imported here and nowhere else in the
package: `pip install "tinygrad_seq[test]"`.
"""

from tinygrad_seq.testing.check import LAWS, check_primitive, drawn, hold, laws_of
from tinygrad_seq.testing.differences import TOLERANCE, check_grad
from tinygrad_seq.testing.mutants import Mutant, derivative_mutants, killer, riding_mutants
from tinygrad_seq.testing.strategies import Call, calls
from tinygrad_seq.testing.zero import EXEMPT, Exemption

__all__ = [
    "EXEMPT",
    "LAWS",
    "TOLERANCE",
    "Call",
    "Exemption",
    "Mutant",
    "calls",
    "check_grad",
    "check_primitive",
    "derivative_mutants",
    "drawn",
    "hold",
    "killer",
    "laws_of",
    "riding_mutants",
]
