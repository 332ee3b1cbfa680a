"""The examples of the design patterns, briefly: they learn, say what a trivial answer is worth, and resume."""

import pytest
from brief import check_example, check_that_it_says_how_to_run

pytestmark = pytest.mark.examples

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
}


@pytest.mark.parametrize("name", TASKS)
def test_an_example_learns_and_draws_and_goes_on_after_an_interruption(name, tmp_path, capsys):
    check_example(name, *TASKS[name], tmp_path, capsys)


@pytest.mark.parametrize("name", TASKS)
def test_an_example_says_how_to_run_it(name):
    check_that_it_says_how_to_run(name)
