"""Every number that a public function or class takes is read in one way.

The numbers are found in the signatures: a new one is missing in the table of calls (`tests/support/calls.py`).
NumPy's numbers give the result of Python's, dtypes included. NaN, text, truth values and numbers outside the
interval are one error that names the owner, the number, the interval and what was given.
"""

import inspect
import re

import numpy as np
import pytest
from calls import CALLS, drawn, stepped

import tinygrad_seq as ts
from tinygrad_seq import data, nn, optim, tasks, testing, training, tree

SPACES = {
    "ts": ts,
    "nn": nn,
    "init": nn.init,
    "memory": nn.memory,
    "attention": nn.attention,
    "reinforce": nn.reinforce,
    "pictures": nn.pictures,
    "optim": optim,
    "tasks": tasks,
    "data": data,
    "training": training,
    "testing": testing,
}
A_NUMBER = re.compile(r"(?<!\[)\b(int|float)\b(?!\])|tuple\[(int|float), (int|float)\]|Sequence\[(int|float)\]")
WRITING = ("free", "greedy", "beam")
ELSEWHERE = ("tinygrad_seq.ops", "tinygrad_seq.tensor", "tinygrad_seq.engine")  # their axes are NumPy's

EXEMPT = {  # a number, or all numbers of an owner -> why it is not in the table
    "init.xavier.shape": "a shape, by NumPy's rules",
    "init.orthogonal.shape": "a shape, by NumPy's rules",
    "nn.DRAW.size": "two numbers: see tests/nn/looking/test_draw.py",
    "nn.NTMCell.memory": "two numbers: see tests/nn/cells/test_turing.py",
    "nn.DRAM.context": "two numbers: see tests/nn/looking/test_dram.py",
    "nn.window.size": "two numbers: see tests/nn/looking/test_draw_window.py",
    "nn.ClockworkRNNCell.periods": "several numbers: see tests/nn/cells/test_cells.py",
    "nn.SkipCell.distances": "several numbers: see tests/nn/cells/test_cells.py",
    "optim.Adam.betas": "two numbers: see test_two_numbers",
    "optim.AdamW.betas": "two numbers: see test_two_numbers",
    "training.train.steps": "see tests/training/test_train.py",
    "training.Learner.seed": "see tests/training/test_learner.py",
    "training.command": "numbers from the command line: see tests/training/test_learner.py",
    "training.options": "a default of the command line",
    "training.curves": "of a picture: see tests/training/test_learner.py",
    "training.verdict.ours": "a figure, which may be NaN",
    "testing.tensors.interval": "two numbers: see test_the_ends_of_an_interval",
    "testing.arrays_for.intervals": "pairs of numbers: see test_the_ends_of_an_interval",
    "testing.Call": "drawn by a strategy",
    "testing.drawn": "of the kit's own tests",
}
GIVEN = {"initial_state", "update"}  # methods that runners and steps call, with numbers of their own
SAID_BY = {  # the owner in an error, where it is another than the last part of the name
    "ts.explain": "scan",
    "pictures.attended": "patches",
    "nn.Decoder": "VectorAsState",
    "nn.RAM.loss": "RAM.loss",
    "nn.DRAM.loss": "DRAM.loss",
    **{f"nn.{kind}.{method}": "VectorAsState" for kind in ("Decoder", "EncoderDecoder") for method in WRITING},
}
SEVERAL = {("nn.ridge", "penalty"), ("testing.tensors", "shape")}  # one number, or a list of them


def numbers(f):
    """The names of the parameters of `f` that are annotated as numbers."""
    parameters = inspect.signature(f).parameters.values()
    return [p.name for p in parameters if A_NUMBER.search(str(p.annotation).replace("builtins.", ""))]


def owners():
    """Every public function, class and method of the spaces that takes a number: its name and the numbers."""
    seen = set()
    for space, module in SPACES.items():
        for name in getattr(module, "__all__", None) or vars(module):
            owner = getattr(module, name)
            where = getattr(owner, "__module__", "")
            if name.startswith("_") or id(owner) in seen or not callable(owner):
                continue
            inside = (
                where.startswith("tinygrad_seq") if hasattr(module, "__all__") else where == module.__name__
            )
            if not inside or where.startswith(ELSEWHERE):
                continue
            if inspect.isclass(owner) and issubclass(owner, Exception):
                continue
            seen.add(id(owner))
            yield f"{space}.{name}", numbers(owner)
            for method, member in vars(owner).items() if inspect.isclass(owner) else ():
                if inspect.isfunction(member) and not method.startswith("_") and method not in GIVEN:
                    yield f"{space}.{name}.{method}", numbers(member)


OWNERS = {name: found for name, found in owners() if found}
TABLE = [(name, number) for name, call in CALLS.items() for number in inspect.signature(call).parameters]
row = pytest.mark.parametrize(("name", "number"), TABLE, ids=[".".join(entry) for entry in TABLE])


def test_the_table_is_complete():
    """Each number of a public signature is in the table or exempt for a reason, and nothing else is."""
    found = {f"{name}.{number}" for name, names in OWNERS.items() for number in names}
    exempt = {name for name in found if name in EXEMPT or name.rpartition(".")[0] in EXEMPT}
    assert found - exempt - {".".join(entry) for entry in TABLE} == set()
    assert {".".join(entry) for entry in TABLE} - found == set()
    assert set(EXEMPT) - exempt - {name.rpartition(".")[0] for name in exempt} == set()


def default(name, number):
    return inspect.signature(CALLS[name]).parameters[number].default


def same(found, expected):
    """Assert that two results are equal, in type, dtype and every bit."""
    assert type(found) is type(expected)
    for one, other in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        assert type(one) is type(other)
        one, other = (t.numpy() if isinstance(t, ts.Tensor) else t for t in (one, other))
        np.testing.assert_array_equal(one, other, strict=isinstance(one, np.ndarray))


@row
def test_a_number_of_numpy_is_a_number(name, number):
    value = default(name, number)
    expected = CALLS[name]()
    kinds = (np.float64, np.float32) if isinstance(value, float) else (np.int64, np.int32, np.uint16)
    for given in [*(kind(value) for kind in kinds), np.array(value), np.array(value, kinds[-1])]:
        same(CALLS[name](**{number: given}), expected)


@row
def test_what_is_not_a_number_is_one_clear_error(name, number):
    """So is a number outside the interval, which nan, -1 and -inf may be."""
    owner = SAID_BY.get(name, name.rpartition(".")[2])
    whole = not isinstance(default(name, number), float)
    words = rf"^{owner} needs an? (number|integer) {number} in [\[(]\S+, \S+[\])], got "
    wrong = ["0.5", True, np.True_, 1j, ts.ones(2)]
    wrong += [] if default_is_none(name, number) else [None]
    wrong += [] if (name, number) in SEVERAL else [[1], np.array([1, 2]), b"1"]
    for given in wrong + ([2.0, np.float32(2), np.array(2.0)] if whole else []):
        with pytest.raises(TypeError, match=words):
            CALLS[name](**{number: given})
    if not whole:
        with pytest.raises(ValueError, match=words + "nan"):
            CALLS[name](**{number: np.nan})
    for given in (-1, -1000) if whole else (-0.5, -np.inf, np.float32(-0.5)):
        try:
            CALLS[name](**{number: given})
        except ValueError as error:
            assert re.search(words + re.escape(str(given)), str(error))  # noqa: PT017


def default_is_none(name, number):
    """Whether None is valid: it is the default of the owner, or the call does not pass it on."""
    space, *path = name.split(".")
    owner = SPACES[space]
    for part in path:
        owner = getattr(owner, part)
    return inspect.signature(owner).parameters[number].default is None


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
def test_two_numbers(kind):
    def after(betas):
        return stepped(lambda ps: kind(ps, betas=betas))

    for given in ((np.float32(0.5), np.array(0.75)), [0.5, 0.75], (np.float64(0.5), 0.75)):
        same(after(given), after((0.5, 0.75)))
    for given in (0.5, (0.5,), (0.5, 0.75, 0.9), None, "ab", {0.5, 0.75}):
        with pytest.raises(TypeError, match=f"^{kind.__name__} needs two numbers betas in"):
            after(given)
    for given in ((0.5, 1.0), (-0.1, 0.5), (1.5, 0.5), (0.5, np.nan)):
        with pytest.raises(ValueError, match=rf"^{kind.__name__} needs a number betas in \[0, 1\), got"):
            after(given)
    for given in ((0.5, "0.9"), (True, 0.9), (0.5, None)):
        with pytest.raises(TypeError, match=rf"^{kind.__name__} needs a number betas in \[0, 1\), got"):
            after(given)


def test_the_ends_of_an_interval():
    numbers = (np.float32(0), np.array(1))
    drawn(testing.tensors((2,), interval=numbers))
    drawn(testing.arrays_for("(n)->()", intervals=[numbers]))
    for given in ((0, "1"), (True, 2), (0, None)):
        with pytest.raises(TypeError, match="needs a number end of an interval in"):
            drawn(testing.tensors((2,), interval=given))
        with pytest.raises(TypeError, match="needs a number end of an interval in"):
            drawn(testing.arrays_for("(n)->()", intervals=[given]))
