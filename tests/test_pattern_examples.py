"""The examples of the design patterns, briefly: they learn, say what a trivial answer is worth, and resume."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_seq.train import train

pytestmark = pytest.mark.examples

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TASKS = {  # the task, its pictures, and the trivial answers that it prints
    "many_to_one": ("Halves", ["curves.png"], ["always the same answer: 0.500"]),
    "one_to_many": ("ThreeWays", ["curves.png"], ["one name for all: 0.001"]),
    "many_to_many": ("Directions", ["curves.png"], ["that no word ends: 0.7"]),
    "moving_digits": ("Films", ["curves.png", "film.png"], ["always the same direction: 0.250"]),
    "encoder_decoder": ("Translator", ["curves.png"], ["one answer for all: 0.005", "the commonest: 0.2"]),
    "vanishing_gradients": (
        "Penalties",
        ["curves.png", "gradients.png"],
        ["with always the same answer 0.250"],
    ),
    "gradient_flow": ("Flows", ["gradient_flow.png"], ["always the same answer is right in 0.250"]),
}


def example(name):
    """An example as a module."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


def made(name, out):
    """The task of an example, which runs in the folder `out`."""
    return getattr(example(name), TASKS[name][0])(out, 0, "cpu")


def losses(out):
    with open(out / "log.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", TASKS)
def test_an_example_learns_and_draws_and_goes_on_after_an_interruption(name, tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(made(name, whole), whole, 80)
    printed = capsys.readouterr().out
    assert f"all in {whole}" in printed
    assert all(said in printed for said in TASKS[name][2])
    assert all((whole / picture).stat().st_size > 10_000 for picture in TASKS[name][1])
    found = losses(whole)
    assert len(found) == 80
    assert np.mean(found[-10:]) < np.mean(found[:10])

    task, steps = made(name, parts), iter(range(60))
    step = task.step

    def interrupted():
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return step()

    task.step = interrupted
    with pytest.raises(SystemExit):
        train(task, parts, 80)
    assert "is at step 50: the same command with --resume" in capsys.readouterr().out
    train(made(name, parts), parts, 80, resume=True)
    assert (parts / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()


def test_the_picture_of_gradients_shows_every_network_in_every_way(tmp_path):
    """Its lines are medians over the sequences; here nothing was trained, so all are alike."""
    flows, task = example("gradient_flow"), made("gradient_flow", tmp_path)
    seen = {(name, way): task.before[name] for name in flows.NETWORKS for way in flows.LOOKS}
    figure = flows.draw(seen, dict.fromkeys(task.all, 0.5))
    grid = np.reshape(figure.axes, (3, len(flows.NETWORKS)))
    for name, (norms, bound, values), column in zip(flows.NETWORKS, task.before.values(), grid.T, strict=True):
        assert column[0].get_title() == name
        assert (norms <= bound * (1 + 1e-4)).all()
        expected = [[norms], [bound], [values[..., 0], values[..., -1]]]
        for axes, arrays in zip(column, expected, strict=True):
            lines = [line for line in axes.lines if len(line.get_xdata()) == flows.LENGTH]
            assert len(lines) == len(arrays) * len(flows.LOOKS)
            for i, line in enumerate(lines):
                np.testing.assert_allclose(line.get_ydata(), np.median(arrays[i % len(arrays)], 1), 1e-6)


def test_powers_prints_and_draws_the_lectures_example(tmp_path, capsys):
    example("powers").main(tmp_path, 0)
    printed = capsys.readouterr().out
    assert "eigenvalues -0.6180, 1.6180; to the power 10 0.0081, 122.9919" in printed
    assert "h_10 = h_0 W^10 = [34. 55.]; h_0 Q L^t Q' is off by at most" in printed
    assert (tmp_path / "powers.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", [*TASKS, "powers"])
def test_an_example_says_how_to_run_it(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert f"python examples/{name}.py" in text
    assert len(text.splitlines()) < 150
