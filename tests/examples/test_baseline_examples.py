"""The examples of classical models, with the same checks as the examples of patterns."""

import pytest
from brief import check_example, check_that_it_says_how_to_run, made

pytestmark = pytest.mark.examples

TASKS = {  # the task, its pictures, and the trivial answers that it prints
    "state_space": ("Vectors", ["curves.png"], ["their maker -2.3", "one normal distribution -3.6"]),
    "hidden_markov": ("Symbols", ["curves.png"], ["their maker -1.6", "their frequencies -1.8"]),
    "fixed_window": ("Readers", ["curves.png"], ["frequencies only: 4.5"]),
    "shared_weights": (
        "Weights",
        ["curves.png", "lengths.png"],
        ["always the same answer: 0.500", "11 steps: there are weights for 10 steps, and none for step 11"],
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_an_example_learns_and_draws_and_goes_on_after_an_interruption(name, tmp_path, capsys):
    check_example(name, *TASKS[name], tmp_path, capsys)


@pytest.mark.parametrize("name", TASKS)
def test_an_example_says_how_to_run_it(name):
    check_that_it_says_how_to_run(name)


@pytest.mark.parametrize("name", ["state_space", "hidden_markov"])
def test_every_model_soon_beats_the_trivial_one_and_never_the_maker(name, tmp_path):
    contest = made(name, TASKS[name][0], tmp_path)
    for _ in range(80):
        contest.step()
    best, trivial = next(iter(contest.models.values())).levels()
    for nats in contest.validate().values():
        assert trivial + 0.05 < nats < best
