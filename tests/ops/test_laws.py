"""Every law for every primitive of the registry; and for every mutant of a rule, a law must fail."""

import functools
import importlib.metadata
import subprocess
import sys
from dataclasses import replace

import conftest
import doors
import numpy as np
import pytest
from drawing import drawn
from hypothesis import settings

from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.testing import (
    EXEMPT,
    derivative_mutants,
    hold,
    killer,
    laws_of,
    riding_mutants,
)
from tinygrad_seq.testing.laws import jvp, vjp, vjp2
from tinygrad_seq.testing.strategies import differentiable
from tinygrad_seq.testing.values import NO_HALF
from tinygrad_seq.testing.zero import zero_at

OPS = [PRIMITIVES[name] for name in sorted(set(PRIMITIVES) - doors.missing())]
CASES = [(op, law) for op in OPS for law in laws_of(op)]
DRAWN = 12  # calls per example with which a mutant is tested


@functools.cache
def tried(op):
    """The calls that a derandomised Hypothesis draws: the same for every law, so they are drawn once."""
    calls = []
    hold(op, calls.append)
    return calls


def holds(law, calls):
    try:
        for call in calls:
            law(call)
    except Exception:
        return False
    return True


@pytest.mark.parametrize(("op", "law"), CASES, ids=[f"{op.name}-{law.__name__}" for op, law in CASES])
def test_law(op, law, record_property):
    once = settings().derandomize and holds(law, tried(op))
    count = len(tried(op)) if once else hold(op, law)  # which finds the smallest call that fails
    record_property("law", (op.name, law.__name__, count))


def likeliest(mutant):
    """The laws of a mutant, beginning with the law of the rule that is wrong in it."""
    return sorted(laws_of(mutant.op), key=lambda law: f"the {law.__name__} " not in mutant.wound.lower())


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_mutant_is_killed(op, record_property):
    calls = drawn(op, DRAWN)
    mutants = [*riding_mutants(op, calls), *(derivative_mutants(op) if differentiable(op) else ())]
    alive = [mutant.wound for mutant in mutants if killer(mutant.op, likeliest(mutant), calls) is None]
    assert not alive, f"no law notices that in {op.name} is wrong: {'; '.join(alive)}"
    record_property("law", (op.name, "mutants", f"{len(mutants)}/{len(mutants)}"))


@pytest.mark.parametrize("op", [*filter(differentiable, OPS)], ids=lambda op: op.name)
def test_a_mutant_dies_of_its_wound(op):
    """A mutant whose rule is multiplied by 1 breaks no law: copying the op does not by itself break one."""
    calls = drawn(op, DRAWN)
    for mutant in derivative_mutants(op, {"left alone": 1.0}):
        assert killer(mutant.op, [vjp, jvp], calls) is None, mutant.wound


@pytest.mark.parametrize("name", EXEMPT)
def test_an_exemption_is_needed(name):
    """An op that is exempt from the law of zero at a point must break it there, else it needs no exemption."""
    op = PRIMITIVES[name]
    assert EXEMPT[name].reason
    for point in EXEMPT[name].points:
        broken = 0
        for call in drawn(op, DRAWN):
            try:
                zero_at(call, [point])
            except AssertionError:
                broken += 1
        assert broken, f"{name} obeys the law of zero at {point}; remove its exemption"


@pytest.mark.parametrize("name", NO_HALF)
def test_an_exemption_from_half_precision_is_needed(name):
    op = PRIMITIVES[name]
    assert NO_HALF[name]
    for call in drawn(op, DRAWN):
        with pytest.raises(TypeError, match="float16"):
            op.function(*(a.astype("f2") for a in call.arrays), **call.meta)


@pytest.mark.parametrize(
    "op", [op for op in OPS if any(map(callable, op.domain.values()))], ids=lambda op: op.name
)
def test_a_domain_of_matrices_is_needed(op):
    """The op has a value for every matrix of its domain; for zeros it has none, or no derivative."""
    calls = drawn(op, DRAWN)
    for call in calls:
        zs = op.function(*call.arrays, **call.meta)
        assert all(np.all(np.isfinite(z)) for z in (zs if op.many else [zs]))
    zeros = [replace(call, arrays=tuple(map(np.zeros_like, call.arrays))) for call in calls]
    assert killer(op, [vjp, vjp2], zeros) is not None


def test_the_table_of_laws():
    """`pytest --laws` ends with a row per primitive: the calls for each law, and the mutants killed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "--laws",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "sigmoid",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    header, row = (
        line.split() for line in run.stdout.splitlines() if line.startswith(("primitive ", "sigmoid "))
    )
    cells = dict(zip(header, row, strict=True))
    assert cells["mutants"] == "6/6"
    assert all(int(cells[law.__name__]) >= 10 for law in laws_of(PRIMITIVES["sigmoid"]))


def test_the_header_says_whether_the_oracle_can_be_asked(monkeypatch):
    header, installed = conftest.pytest_report_header, {"torch": "2.9.0", "keras": "3.15.1"}

    def version(name):
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    backend, emitter, oracle, exchange = header(None)
    assert backend == doors.description()
    assert emitter.startswith("emitter: ")
    assert oracle == "oracle: PyTorch 2.9.0"
    assert exchange.startswith("exchange: keras 3.15.1; not installed, so skipped: ")
    installed.clear()
    _, _, oracle, exchange = header(None)
    assert "not installed" in oracle
    assert exchange.startswith("exchange: none; ")
