"""How the benchmarks measure: processes of their own, first calls, ratios, stages."""

import subprocess
import sys

import numpy as np
import pytest
from places import ROOT

import tinygrad_seq as ts

pytestmark = pytest.mark.host("benchmarks compare on the CPU")

SIZE = (3, 2, 4, 5)


def test_the_scan_of_another_checkout_computes_the_same(benchmark):
    """Here the other checkout is this one."""
    rows = benchmark("elsewhere").checkouts([ROOT], "contenders", ("lstm", SIZE))
    assert list(rows) == ["ours, scan as C", "ours, scan as NumPy", f"ours, at {ROOT.name}"]
    there = rows["ours, scan as NumPy"]()
    assert there.first > there.seconds() > 0
    found = there.gradients()
    assert benchmark("measure").error(found, benchmark("contenders").reference("lstm", SIZE)) < 1e-5
    assert there.process.returncode == 0


def test_a_checkout_that_does_not_run_is_left_out(benchmark, tmp_path):
    with pytest.raises(benchmark("measure").AbsentError, match="its process ended"):
        benchmark("elsewhere").There(str(tmp_path), "contenders", ("lstm", SIZE))


def test_a_first_call_counts_the_programs_that_it_starts(benchmark):
    runs = []

    def run():
        if not runs:
            subprocess.run([sys.executable, "-c", ""], check=True)
        runs.append(1)
        return []

    here = benchmark("measure").Here(lambda: run)
    assert here.compilers == 1
    here.seconds()
    assert here.compilers == 1


def test_ratios_are_over_both_forms_of_our_scan(benchmark):
    measure = benchmark("measure")
    as_c, as_numpy = measure.OURS.values()
    results = {
        as_c: measure.Result(1.0, 2, [1.0, 2.0, 4.0], 0.0),
        as_numpy: measure.Result(1.0, 0, [4.0], 0.0),
        "right": measure.Result(1.0, 0, [8.0], 1e-6),
        "wrong": measure.Result(1.0, 0, [8.0], np.nan),
        "absent": "a reason",
    }
    found = [line.split() for line in measure.lines(results, steps=10)]
    assert found[0][-2:] == ["compiled", "2"]
    assert found[2][1:5] == ["8000.000", "8000.000", "4.00", "2.00"]
    assert found[3][3:5] == ["WRONG", "WRONG"]
    assert found[4] == ["absent", "left", "out:", "a", "reason"]


@pytest.mark.parametrize("emitter", ["c", "numpy"])
def test_a_contender_runs_with_its_emitter(benchmark, emitter):
    seen = []
    prepare = benchmark("contenders").emitted(emitter, lambda problem: lambda: seen.append(ts.emitter().name))
    try:
        run = prepare(None)
    except benchmark("measure").AbsentError as reason:
        pytest.skip(str(reason))
    run()
    assert seen == [emitter]


@pytest.mark.parametrize(
    ("emitter", "once"), [("c", {"group", "write", "compile"}), ("numpy", {"plan", "emit"})]
)
def test_stages(benchmark, emitter, once):
    try:
        found = benchmark("stages").stages("rnn", SIZE, emitter)
    except RuntimeError as reason:
        pytest.skip(str(reason))
    assert found.keys() == {"known", "recorded", "derive"} | once
    assert min(found.values()) > 0
