"""What a type checker says of a user's expressions: a result is a Tensor, and a wrong argument is an error."""

from __future__ import annotations

import pytest
from places import ROOT

api = pytest.importorskip("mypy.api", reason="mypy is not installed; it is in the extra dev")

PRELUDE = """
import numpy as np
import tinygrad_seq as ts
from tinygrad_seq import nn, optim, testing, training

x, y, p = ts.tensor([[1.0, 2.0]]), ts.tensor([[3.0, 4.0]]), nn.Parameter([[5.0, 6.0]])
array, mask = np.ones((1, 2)), np.array([True, False])
task: training.Task

@ts.numpy_function
def diff(x):
    return x[1:] - x[:-1]

def pair(x: ts.Tensor) -> tuple[ts.Tensor, ts.Tensor]:
    return x, x * x
"""
TENSOR = "tinygrad_seq.tensor.tensor.Tensor"
TYPES = {
    TENSOR: [
        *("x + y", "x * 2.0", "2.0 * x", "1 - x", "x / array", "x**2", "-x", "x @ y.T", "p @ x.T"),
        *("x == y", "x != y", "x < 1", "1 < x", "~(x > 0)", "(x > 0) & mask"),
        *("x[0]", "x[:, None]", "x.T", "x.mT", "x.reshape(-1)", "x.transpose(1, 0)", "x.astype(int)"),
        *("x.mean()", "p.mean()", "x.sum(axis=0, keepdims=True)", "x.to('cpu')", "next(iter(x))"),
        *("ts.tanh(x)", "ts.mean(x)", "ts.mean(p, axis=0)", "ts.norm(x)", "ts.matmul(array, y)"),
        *("ts.stack([x, y])", "ts.concatenate((x, p), axis=1)", "ts.stack(row for row in x)"),
        *("ts.where(mask, x, y)", "ts.where(mask, 0.0, y)", "ts.where(x > 0, x, 0.0)"),
        *("ts.einsum('ij,kj->ik', x, y)", "ts.einsum('ij,kj->ik', array, y)"),
        *("nn.Linear(2, 3)(x)", "nn.mse(x, y)", "diff(x)", "ts.grad(y, x, zeros=True)"),
        *("nn.Linear(2, 3)(array)", "nn.Sequential(nn.Linear(2, 3), ts.tanh)(array)", "nn.mse(array, array)"),
        *("nn.cross_entropy(array, np.array([0]))", "nn.Recurrent(nn.GRUCell(2, 3))(array[None])[0]"),
        "nn.ManyToMany(nn.Embedding(9, 2), nn.Recurrent(nn.GRUCell(2, 3)), ts.tanh)(np.array([[1]]))",
    ],
    f"{TENSOR} | None": ["ts.grad(y, x)", "ts.grad([x, y], p, [array, None], create_graph=True)"],
    f"list[{TENSOR}]": ["ts.grad(y, [x, p], zeros=True)"],
    f"list[{TENSOR} | None]": ["ts.grad(y, nn.Linear(2, 3).parameters())"],
    f"tuple[{TENSOR}, ...]": ["ts.split(x, 2, axis=-1)", "ts.unstack(x)"],
    f"tuple[{TENSOR}, {TENSOR}]": ["ts.vjp(pair, x)[0]", "ts.jvp(pair, [x], [array])[1]"],
    "tuple[Any, ...]": ["ts.vjp(pair, x)[1]([x, y])"],
    "dict[str, object]": ["optim.Adam([p]).state_dict()"],
    "None": [
        *("optim.Adam([p]).step()", "training.train(task, 'runs', steps=3, resume=True)"),
        *("testing.check_grad(pair, x)", "testing.check_grad(ts.tanh, array)"),
        *("testing.check_primitive(ts.tanh)", "testing.check_primitive(ts.split)"),
    ],
}
ERRORS = [
    *("ts.mean(x, axes=0)", "x.mean(dim=0)", "ts.swapaxes(x, 1)", "ts.split(x, 2).shape"),
    *("ts.grad(pair, x)", "ts.grad(y, 'x')", "ts.jvp(pair, [x])", "testing.check_grad(lambda x: 1.0, x)"),
]


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What mypy says of a line that is one of these expressions."""
    monkeypatch.chdir(ROOT)

    def of(lines: list[str]) -> list[list[str]]:
        file, first = tmp_path / "user.py", PRELUDE.count("\n") + 1
        file.write_text(PRELUDE + "\n".join(lines) + "\n")
        out, err, _ = api.run(["--config-file=pyproject.toml", "--hide-error-context", str(file)])
        assert not err, err
        found: list[list[str]] = [[] for _ in lines]
        for message in out.splitlines():
            path, _, rest = message.partition(".py:")
            if path == str(file.with_suffix("")):
                number, _, text = rest.partition(": ")
                found[int(number) - first].append(text)
        return found

    return of


def test_a_result_is_a_tensor(said):
    wanted = {expression: name for name, expressions in TYPES.items() for expression in expressions}
    answers = said([f"reveal_type({expression})" for expression in wanted])
    for (expression, name), answer in zip(wanted.items(), answers, strict=True):
        assert answer == [f'note: Revealed type is "{name}"'], expression


def test_a_wrong_argument_is_an_error(said):
    for expression, answer in zip(ERRORS, said(ERRORS), strict=True):
        assert any(text.startswith("error: ") for text in answer), expression
