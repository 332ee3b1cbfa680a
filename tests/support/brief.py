"""Examples, run briefly in this process: the checks that apply to all of them."""

import csv
import importlib
import itertools
import shutil
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


def check_example(name, task, pictures, said, folder, capsys, *, learns=True):
    """It learns, an interruption changes nothing, and it draws `pictures` and prints the texts `said`.

    learns  whether the loss falls within 80 steps; else it is on a plateau at first

    The run that is interrupted continues a copy of the undisturbed run, from its checkpoint at step 50. Only
    the task that resumes it draws and prints.
    """
    whole, parts = folder / "whole", folder / "parts"
    undisturbed, resumed = made(name, task, whole), made(name, task, parts)
    np.testing.assert_equal(resumed.state_dict(), undisturbed.state_dict())  # they start from one seed
    before(undisturbed, 55, lambda: shutil.copytree(whole, parts))
    undisturbed.finish = lambda: None
    train(undisturbed, whole, 80)
    found = losses(whole)
    assert len(found) == 80
    assert np.isfinite(found).all()
    assert np.mean(found[-10:]) < np.mean(found[:10]) or not learns

    before(undisturbed, 5, interrupt)
    with pytest.raises(SystemExit):
        train(undisturbed, parts, 80, resume=True)
    assert "is at step 50: the same command with --resume" in capsys.readouterr().out
    train(resumed, parts, 80, resume=True)
    assert (parts / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()
    printed = capsys.readouterr().out
    assert f"the results are in {parts}" in printed
    assert all(trivial in printed for trivial in said)
    assert all((parts / picture).stat().st_size > 10_000 for picture in pictures)


def interrupt():
    raise KeyboardInterrupt


def before(task, count, act):
    """Make `task` call `act` before its step number `count`."""
    step, steps = task.step, itertools.count(1)

    def after_that():
        if next(steps) == count:
            act()
        return step()

    task.step = after_that


def check_that_it_says_how_to_run(name):
    """Its docstring says how to run it, and it is not long."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert f".venv/bin/python examples/{name}.py" in text
    assert len(text.splitlines()) < 150
