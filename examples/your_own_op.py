"""An op of your own, checked in one line; then the same op with a wrong rule, and what the check says.

    .venv/bin/python examples/your_own_op.py

The op is the swish of Ramachandran et al. (2017), z = x sigmoid(x). Its forward function is plain NumPy. Its
rule is the partial derivative; the names of the rule's arguments say what it reads: x the argument, z the
output.
"""

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.testing import check_grad, check_primitive


@ts.primitive("()->()")
def swish(x, /):
    """z = x s(x), s the sigmoid; where x is large and negative, z tends to 0"""
    return x * ts.sigmoid(x)


# dz/dx = s + x s (1 - s)
swish.partials(lambda x, z: ts.sigmoid(x) * (1 + x - z), singular=True)


@ts.primitive("()->()")
def wrong_swish(x, /):
    """z = x s(x), with a rule that forgets the product rule"""
    return x * ts.sigmoid(x)


wrong_swish.partials(lambda x: ts.sigmoid(x))


def layer(x, w, op):
    """One layer of a network that uses the op."""
    return ts.tanh(op(x @ w))


def report(title, check):
    """Print the error of a check, or that it holds."""
    try:
        check()
    except AssertionError as error:
        print(f"{title}\n{error}\n")
    else:
        print(f"{title}\nholds\n")


def main() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))

    t = ts.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    swish(t).sum().backward()
    print(f"swish {swish(t).numpy()}, its derivative {t.grad}\n")

    report("check_primitive(swish)", lambda: check_primitive(swish))
    report("check_grad(layer with swish)", lambda: check_grad(lambda x, w: layer(x, w, swish), x, w))
    report("check_primitive(wrong_swish)", lambda: check_primitive(wrong_swish))
    report(
        "check_grad(layer with wrong_swish)", lambda: check_grad(lambda x, w: layer(x, w, wrong_swish), x, w)
    )


if __name__ == "__main__":
    main()
