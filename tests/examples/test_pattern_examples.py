"""The examples of patterns and tasks, briefly: they learn, print the trivial answer, and resume."""

import csv
import sys

import numpy as np
import pytest
from brief import check_example, check_that_it_says_how_to_run, imported, made
from results import assert_allclose

pytestmark = pytest.mark.examples

TASKS = {  # the task, its pictures, and the trivial answers that it prints
    "many_to_one": ("ThreeCells", ["curves.png"], ["always the same answer: 0.500"]),
    "one_to_many": ("ThreeWays", ["curves.png"], ["one name for all: 0.001"]),
    "many_to_many": ("Directions", ["curves.png"], ["no word ends: 0.7"]),
    "moving_digits": ("Films", ["curves.png", "film.png"], ["always the same direction: 0.250"]),
    "encoder_decoder": ("Translator", ["curves.png"], ["one answer for all: 0.005", "the commonest: 0.2"]),
    "reversal": ("Reversal", ["curves.png", "reversal.png"], ["of 12 digits; guesses: 0.000"]),
    "hello": ("Hello", ["curves.png", "probabilities.png"], ["always the commonest: 0.50"]),
    "adding": ("Adders", ["curves.png"], ["always to answer 1: 0.167"]),
    "waveform": ("Players", ["curves.png", "waveform.png"], ["the mean of the wave: 1.000"]),
    "captions": ("Captions", ["curves.png", "captions.png"], ["one caption for all: 0.0"]),
    "promoters": ("Readers", ["curves.png"], ["always the same answer: 0.500"]),
    "vanishing_gradients": (
        "Penalties",
        ["curves.png", "gradients.png"],
        ["always the same answer: 0.250"],
    ),
    "gradient_flow": ("Flows", ["gradient_flow.png"], ["always the same answer is right in 0.250"]),
}


@pytest.mark.parametrize("name", TASKS)
def test_an_example_learns_and_draws_and_goes_on_after_an_interruption(name, tmp_path, capsys, monkeypatch):
    if name == "gradient_flow":  # of 24 networks
        monkeypatch.setattr(imported(name), "SEEN", 4)  # of 20 sequences
        monkeypatch.setattr(imported(name), "FRESH", 200)  # of 1000
    check_example(name, *TASKS[name], tmp_path, capsys)


def test_self_attention_and_recurrence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(imported("self_attention"), "LENGTHS", (10, 20))  # instead of 25 to 400
    said = ["GRU: 5,", "self-attention: 5,", "always the same answer: 0.250"]
    check_example("self_attention", "Comparison", ["self_attention.png"], said, tmp_path, capsys)


def test_the_picture_of_gradients_shows_every_network_in_every_way(tmp_path):
    """The lines are medians over the sequences; without training, those of all ways are equal."""
    flows, task = imported("gradient_flow"), made("gradient_flow", TASKS["gradient_flow"][0], tmp_path)
    seen = {(name, way): task.before[name] for name in flows.NETWORKS for way in flows.LOOKS}
    figure = flows.draw(seen, dict.fromkeys(task.all, 0.5))
    grid = np.reshape(figure.axes, (3, len(flows.NETWORKS)))
    for name, (norms, bound, largest), column in zip(flows.NETWORKS, task.before.values(), grid.T, strict=True):
        assert column[0].get_title() == name
        assert (norms <= bound * (1 + 1e-4)).all()
        for axes, array in zip(column, (norms, bound, largest), strict=True):
            lines = [line for line in axes.lines if len(line.get_xdata()) == flows.LENGTH]
            assert len(lines) == len(flows.LOOKS)
            for line in lines:
                assert_allclose(line.get_ydata(), np.median(array, 1), rtol=1e-6)


def test_powers_prints_and_draws_the_lectures_example(tmp_path, capsys):
    imported("powers").main(tmp_path, 0)
    printed = capsys.readouterr().out
    assert "eigenvalues -0.6180, 1.6180; to the power 10 0.0081, 122.9919" in printed
    assert "h_10 = h_0 W^10 = [34. 55.]; h_0 Q L^t Q' is off by at most" in printed
    assert (tmp_path / "powers.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", [*TASKS, "self_attention", "echo_state", "powers"])
def test_an_example_says_how_to_run_it(name):
    check_that_it_says_how_to_run(name)


def test_the_lectures_table_is_of_identical_halves():
    for row, label in imported("many_to_one").SLIDE.items():
        assert (row[: len(row) // 2] == row[len(row) // 2 :]) == label


def test_echo_state_networks_beat_the_mean_and_more_units_are_better(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["echo_state.py", "--units", "20", "80", "--out", str(tmp_path)])
    module = imported("echo_state")
    module.main()
    printed = capsys.readouterr().out
    assert "the mean: 1.000" in printed
    assert f"the results are in {tmp_path}" in printed
    assert (tmp_path / "echo_state.png").stat().st_size > 10_000
    with open(tmp_path / "errors.csv", newline="") as file:
        small, large = ({name: float(x) for name, x in row.items()} for row in csv.DictReader(file))
    assert (small["units"], large["units"]) == (20, 80)
    for task in ("narma10", "mackey-glass 1"):
        assert large[task] < small[task] < 1
    before = (tmp_path / "errors.csv").read_bytes()
    module.main()
    assert (tmp_path / "errors.csv").read_bytes() == before
