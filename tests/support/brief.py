"""Examples, run briefly in this process: the checks that apply to all of them."""

import csv
import importlib
import sys

import numpy as np
import pytest
from places import EXAMPLES

from tinygrad_seq.training import train


def imported(name):
    """Import an example as a module."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


def made(name, task, out):
    """The task of an example, which runs in the folder `out`."""
    return getattr(imported(name), task)(out, 0, "cpu")


def losses(out):
    """The loss at every step: the first figure in the log."""
    with open(out / "log.csv", newline="") as file:
        rows = list(csv.reader(file))
    return [float(row[1]) for row in rows[1:]]


def check_example(name, task, pictures, said, folder, capsys):
    """It learns, draws `pictures`, prints the texts `said`, and an interruption changes nothing."""
    whole, parts = folder / "whole", folder / "parts"
    train(made(name, task, whole), whole, 80)
    printed = capsys.readouterr().out
    assert f"the results are in {whole}" in printed
    assert all(trivial in printed for trivial in said)
    assert all((whole / picture).stat().st_size > 10_000 for picture in pictures)
    found = losses(whole)
    assert len(found) == 80
    assert np.mean(found[-10:]) < np.mean(found[:10])

    interrupted, steps = made(name, task, parts), iter(range(60))
    step = interrupted.step

    def until_then():
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return step()

    interrupted.step = until_then
    with pytest.raises(SystemExit):
        train(interrupted, parts, 80)
    assert "is at step 50: the same command with --resume" in capsys.readouterr().out
    train(made(name, task, parts), parts, 80, resume=True)
    assert (parts / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()


def check_that_it_says_how_to_run(name):
    """Its docstring says how to run it, and it is not long."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert f".venv/bin/python examples/{name}.py" in text
    assert len(text.splitlines()) < 150
