"""The examples on data, briefly: they learn, say what a trivial answer is worth, and resume."""

import sys

import pytest
from brief import EXAMPLES, check_example, check_that_it_says_how_to_run, made

from tinygrad_seq import learner

pytestmark = pytest.mark.examples

TASKS = {  # the task, its pictures, and the trivial answers that it prints
    "digits": ("Digits", ["curves.png", "wrong.png"], ["always the commonest digit: 0.10"]),
    "vowels": ("Vowels", ["curves.png"], ["always the same speaker: 0.238"]),
    "names": ("Surnames", ["curves.png", "languages.png"], ["always Slovak: 0.225"]),
    "stocks": ("Stocks", ["curves.png", "money.png"], ["always       0.677   2.87", "persistence  0.548"]),
    "tunes": ("Tunes", ["curves.png"], ["unigram 4.71", "bigram 3.61"]),
    "tagging": ("Tagging", ["curves.png"], ["each word's commonest tag: 0.7"]),
    "sentiment": ("Sentiment", ["curves.png"], ["bag of words: 0.", "always the same answer: 0.500"]),
}


@pytest.mark.parametrize("name", TASKS)
def test_an_example_learns_and_draws_and_goes_on_after_an_interruption(name, tmp_path, capsys):
    check_example(name, *TASKS[name], tmp_path, capsys)


@pytest.mark.parametrize("name", TASKS)
def test_an_example_says_how_to_run_it(name):
    check_that_it_says_how_to_run(name)


def test_the_stocks_of_a_year_are_foretold_from_the_time_before(tmp_path):
    """What happens from the year on changes neither the losses nor what is said of its first month.

    But the last month before it is learned from.
    """

    def losses(year):
        year.rng.bit_generator.state = state
        return [year.loss().item() for _ in range(20)]

    for year in made("stocks", "Stocks", tmp_path).years.values():
        state = year.rng.bit_generator.state
        before, said = losses(year), year.rises()
        year.heard[year.start :], year.factors[year.start :] = 7.0, 7.0
        assert losses(year) == before
        assert (year.rises()[0] == said[0]).all()
        year.factors[year.start - 1] = 1 / year.factors[year.start - 1]
        assert losses(year) != before


def test_an_example_without_its_package_says_what_to_install(monkeypatch, capsys):
    digits = made("digits", "Digits", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr(sys, "argv", ["digits.py"])
    with pytest.raises(SystemExit, match="1"):
        learner.command(type(digits), "What it is.", str(EXAMPLES / "digits.py"), steps=10)
    assert capsys.readouterr().err == (
        'error: these data come with the package sklearn: pip install "tinygrad_seq[data]"\n'
    )
