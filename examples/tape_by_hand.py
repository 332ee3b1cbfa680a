"""Reverse mode by hand: a tape from scratch, in plain Python, and the same walk over the library's tape.

    .venv/bin/python examples/tape_by_hand.py

One neuron and its loss, L = (tanh(w x + b) - t)^2, for numbers. The forward pass records what it computes, one
record for each operation. The chain rule is this list read backwards: each record receives the derivative of L
by its value, and passes to each input its share. The shares of one number add up.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tinygrad_seq as ts


class Record(NamedTuple):
    op: str
    inputs: tuple[int, ...]  # the numbers of the records of the arguments
    value: float


FORWARD: dict[str, Callable[..., float]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "tanh": math.tanh,
    "square": lambda x: x * x,
}
BACKWARD: dict[
    str, Callable[..., tuple[float, ...]]
] = {  # from g = dL/dz, the value z and the arguments: g dz/dx for each of them
    "add": lambda g, z, x, y: (g, g),
    "subtract": lambda g, z, x, y: (g, -g),
    "multiply": lambda g, z, x, y: (g * y, g * x),
    "tanh": lambda g, z, x: (g * (1 - z * z),),
    "square": lambda g, z, x: (g * 2 * x,),
}


def leaf(tape: list[Record], value: float) -> int:
    """Record an independent number; return the number of its record."""
    tape.append(Record("leaf", (), value))
    return len(tape) - 1


def call(tape: list[Record], op: str, *inputs: int) -> int:
    """Compute an operation and record it; return the number of its record."""
    value = FORWARD[op](*(tape[i].value for i in inputs))
    tape.append(Record(op, inputs, value))
    return len(tape) - 1


def reverse(tape: list[Record]) -> list[float]:
    """dL/d(value) for every record of the tape, where L is the value of the last record."""
    cotangents = [0.0] * len(tape)
    cotangents[-1] = 1.0  # dL/dL
    for n in reversed(range(len(tape))):
        record, g = tape[n], cotangents[n]
        text = f"  %{n} {record.op:<9} g = {g:+.4f}"
        if record.op != "leaf":
            arguments = [tape[i].value for i in record.inputs]
            shares = BACKWARD[record.op](g, record.value, *arguments)
            for i, share in zip(record.inputs, shares, strict=True):
                cotangents[i] += share
                text += f"   to %{i} {share:+.4f}"
        print(text)
    return cotangents


def main() -> None:
    numbers = {"w": 0.5, "x": 2.0, "b": -0.25, "t": 1.0}

    print("L = (tanh(w x + b) - t)^2 at", ", ".join(f"{name} = {value}" for name, value in numbers.items()))
    print("\nThe tape, by hand:")
    tape: list[Record] = []
    w, x, b, t = (leaf(tape, value) for value in numbers.values())
    h = call(tape, "tanh", call(tape, "add", call(tape, "multiply", w, x), b))
    call(tape, "square", call(tape, "subtract", h, t))
    for n, record in enumerate(tape):
        print(f"  %{n} {record.op:<9} {record.value:+.4f}  ", *(f"%{i}" for i in record.inputs))
    print("\nThe reverse pass, by hand:")
    by_hand = reverse(tape)

    print("\nThe library's tape of the same expression:")
    leaves = [ts.tensor(value, dtype="float64", requires_grad=True) for value in numbers.values()]
    W, X, B, T = leaves  # noqa: N806
    loss = ts.square(ts.tanh(W * X + B) - T)
    print("  " + str(ts.tape(loss)).replace("\n", "\n  "))
    print("\nIts reverse pass, one record at a time, with the rule that is applied:")
    found = {}
    for step in ts.step(loss):
        print("  " + str(step).replace("\n", "\n  "))
        for g in step.cotangents:  # every record here has one output
            found[step.number] = 0.0 if g is None else g.item()

    loss.backward()
    gradients = [leaf.grad.item() for leaf in leaves if leaf.grad is not None]
    print("\ndL/d     by hand      by ts.step   by backward()")
    for n, (name, gradient) in enumerate(zip(numbers, gradients, strict=True)):
        print(f"  {name}  {by_hand[n]:+.10f} {found[n]:+.10f} {gradient:+.10f}")
    largest = max(abs(by_hand[n] - found[n]) for n in found)
    print(f"the largest difference between the two tapes: {largest:.1e}")


if __name__ == "__main__":
    main()
