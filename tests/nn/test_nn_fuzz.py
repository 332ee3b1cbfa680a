"""Awkward calls of everything in `nn`: the value of an oracle in NumPy, or an error that names the class.

The calls are drawn in `fuzzing/`. A failure prints the call and what repeats it: `held(name, number)`.
"""

import inspect

import pytest
from fuzzing.calls import SUBJECTS, hold, names_in

import tinygrad_seq as ts
from tinygrad_seq import nn

NAMES = names_in(
    "attention", "cells", "classical", "ctc", "decoders", "drawing", "flow", "layers", "looking", "losses",
    "machines", "patterns", "runners", "wrapped",
)  # fmt: skip
ELSEWHERE = {  # names without calls of their own, and why
    "Annotations": "plain data, of AttentionDecoder",
    "CELLS": "the cells are called one by one",
    "Cell": "a base class",
    "Flow": "plain data, of gradient_flow",
    "Looks": "plain data, of RAM and DRAM",
    "Module": "a base class",
    "NTMTrace": "plain data, of NTMCell",
    "OneToMany": "a base class, of VectorAsState",
    "Decoder": "a base class, of OneToMany",
    "Drawn": "plain data, of DRAW",
    "Runner": "a base class",
    "Window": "plain data, of window",
    "from_onnx": "reads files; tests/nn/onnx draws calls of every op that it knows",
    "pictures": "draws with matplotlib",
    "to_onnx": "together with from_onnx",
    "to_torch": "together with from_torch",
    "to_weights": "together with from_weights",
}
PARTS = ("attention", "init", "memory", "reinforce")  # modules of functions
HELPERS = {  # functions of these that are not for users
    "attention.broadcasts", "attention.refuse_mask", "init.generator",
    "memory.check_shapes", "memory.cosines", "memory.scaled", "reinforce.alike",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_awkward_calls(name):
    hold(name)


def test_every_public_name_is_called():
    """A new class or function needs a subject in `fuzzing/`, or a reason here."""
    parts = {f"{name}.{part}" for name in PARTS for part in functions(getattr(nn, name))}
    wanted = {name for name in nn.__all__ if name not in PARTS} | parts
    assert wanted - set(ELSEWHERE) - HELPERS == set(NAMES)
    assert set(ELSEWHERE) <= set(nn.__all__)


def functions(module):
    """The public functions that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_they_are_many():
    assert sum(SUBJECTS[name].calls for name in NAMES) > 10_000


def wrong_value(loss):
    return lambda x, y, **options: loss(x, y, **options) * 1.001


def wrong_gradient(loss):
    """Its value is right, for x is subtracted again, as a constant."""
    return lambda x, y, **options: loss(x, y, **options) + 0.01 * ts.sum(x - ts.stop_gradient(x))


def wrong_error(loss):
    def refusing(x, y, **options):
        try:
            return loss(x, y, **options)
        except ValueError:
            raise ValueError("something is wrong") from None

    return refusing


def accepting(loss):
    """It accepts every reduction: one that it does not have is the mean."""

    def lenient(x, y, reduction="mean"):
        known = isinstance(reduction, str) and reduction in ("mean", "sum", "none")
        return loss(x, y, reduction=reduction if known else "mean")

    return lenient


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (wrong_value, "found .* expected"),
        (wrong_gradient, "the derivative is"),
        (wrong_error, "an error that names none of"),
        (accepting, "an invalid call was not refused"),
    ],
)
@pytest.mark.host("the arguments of a mistaken loss are arrays too")
def test_a_mistake_is_noticed(mistake, words, monkeypatch):
    monkeypatch.setattr(nn, "mse", mistake(nn.mse))
    with pytest.raises(AssertionError, match=words):
        hold("mse")
