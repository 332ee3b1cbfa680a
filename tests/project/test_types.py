"""What a type checker says of a user's expressions: Tensors are Tensors, and a wrong argument is an error.

Skipped where mypy is not installed: it is in the extra `dev`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api", reason="mypy is not installed: it is in the extra dev")

PROJECT = Path(__file__).parents[2]
PRELUDE = """
import numpy as np
import tinygrad_seq as ts
from tinygrad_seq import nn

x, y = ts.tensor([[1.0, 2.0]]), ts.tensor([[3.0, 4.0]])
array, mask = np.ones((1, 2)), np.array([True, False])
p = nn.Parameter(x)

@ts.numpy_function
def diff(x):
    return x[1:] - x[:-1]
"""
TENSORS = [
    "x + y",
    "x * 2.0",
    "2.0 * x",
    "1 - x",
    "x @ y",
    "x ** 2",
    "-x",
    "~(x > 0)",
    "x == y",
    "x < 1",
    "1 < x",
    "x[0]",
    "x[:, None]",
    "x.T",
    "x.mean()",
    "x.sum(axis=0, keepdims=True)",
    "x.reshape(-1)",
    "p @ x",
    "p.mean()",
    "ts.tanh(x)",
    "ts.mean(x)",
    "ts.mean(p, axis=0)",
    "ts.matmul(array, y)",
    "ts.stack([x, y])",
    "ts.concatenate((x, y), axis=1)",
    "ts.stack(row for row in x)",
    "ts.where(mask, x, y)",
    "ts.where(mask, 0.0, y)",
    "ts.where(x > 0, x, 0.0)",
    "ts.einsum('ij,kj->ik', x, y)",
    "ts.einsum('ij,kj->ik', array, y)",
    "nn.Linear(2, 3)(x)",
    "diff(x)",
]
TUPLES = ["ts.split(x, 2, axis=-1)", "ts.unstack(x)"]
ERRORS = ["ts.mean(x, axes=0)", "x.mean(dim=0)", "ts.swapaxes(x, 1)", "ts.split(x, 2).shape"]


def test_the_types_that_a_user_sees(tmp_path: Path) -> None:
    wanted = [*(f'"{TENSOR}"' for _ in TENSORS), *(f'"tuple[{TENSOR}, ...]"' for _ in TUPLES)]
    said = checked(tmp_path, [f"reveal_type({expression})" for expression in TENSORS + TUPLES])
    for expression, line, types in zip(TENSORS + TUPLES, said, wanted, strict=True):
        assert line.endswith(f"Revealed type is {types}"), f"{expression}: {line}"


@pytest.mark.parametrize("expression", [])
def unused(expression: str) -> None: ...


TENSOR = "tinygrad_seq.tensor.tensor.Tensor"
