"""The examples of patterns and tasks, briefly: they learn, say what a trivial answer is worth, and resume."""

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
    "many_to_one": ("ThreeCells", ["curves.png"], ["always the same answer: 0.500"]),
    "one_to_many": ("ThreeWays", ["curves.png"], ["one name for all: 0.001"]),
    "many_to_many": ("Directions", ["curves.png"], ["that no word ends: 0.7"]),
    "moving_digits": ("Films", ["curves.png", "film.png"], ["always the same direction: 0.250"]),
    "encoder_decoder": ("Translator", ["curves.png"], ["one answer for all: 0.005", "the commonest: 0.2"]),
    "hello": ("Hello", ["curves.png", "probabilities.png"], ["always the commonest: 0.50"]),
    "adding": ("Adders", ["curves.png"], ["always to answer 1: 0.167"]),
    "waveform": ("Players", ["curves.png", "waveform.png"], ["the mean of the wave: 1.000"]),
    "promoters": ("Readers", ["curves.png"], ["always the same answer: 0.500"]),
    "vanishing_gradients": (
        "Penalties",
        ["curves.png", "gradients.png"],
        ["with always the same answer 0.250"],
    ),
}


def imported(name):
    """The module that an example is."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


def made(name, out):
    """The task of an example, which runs in the folder `out`."""
    return getattr(imported(name), TASKS[name][0])(out, 0, "cpu")


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


@pytest.mark.parametrize("name", TASKS)
def test_an_example_says_how_to_run_it(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert f"python examples/{name}.py" in text
    assert len(text.splitlines()) < 150


def test_echo_state_networks_beat_the_mean_and_more_units_are_better(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["echo_state.py", "--units", "20", "80", "--out", str(tmp_path)])
    module = imported("echo_state")
    module.main()
    printed = capsys.readouterr().out
    assert "the mean: 1.000" in printed
    assert f"all in {tmp_path}" in printed
    assert (tmp_path / "echo_state.png").stat().st_size > 10_000
    with open(tmp_path / "errors.csv", newline="") as file:
        small, large = ({name: float(x) for name, x in row.items()} for row in csv.DictReader(file))
    assert (small["units"], large["units"]) == (20, 80)
    for task in ("narma10", "mackey-glass 1"):
        assert large[task] < small[task] < 1
    before = (tmp_path / "errors.csv").read_bytes()
    module.main()
    assert (tmp_path / "errors.csv").read_bytes() == before
