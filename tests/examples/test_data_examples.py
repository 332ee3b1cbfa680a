"""The examples on data, briefly: they learn, print the trivial answer, and resume."""

import functools
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from brief import EXAMPLES, check_example, check_that_it_says_how_to_run, imported, made

from tinygrad_seq.training import learner, train

pytestmark = pytest.mark.examples

TASKS = {  # the task, its pictures, and the trivial answers that it prints
    "digits": ("Digits", ["curves.png", "wrong.png"], ["always the commonest digit: 0.10"]),
    "vowels": ("Vowels", ["curves.png"], ["always the same speaker: 0.238"]),
    "names": ("Surnames", ["curves.png", "languages.png"], ["always Slovak: 0.225"]),
    "stocks": ("Stocks", ["curves.png", "money.png"], ["always       0.677   2.87", "persistence  0.548"]),
    "tunes": ("Tunes", ["curves.png"], ["unigram 4.71", "bigram 3.61"]),
    "tagging": ("Tagging", ["curves.png"], ["each word's commonest tag: 0.7"]),
    "dates": ("Dates", ["curves.png", "alignment.png"], ["one date for all: 0.001", "looked up: 0.891"]),
    "ram": ("Looking", ["curves.png", "looks.png"], ["always the same answer: 0.100", "with random looks 0."]),
    "draw": ("Draw", ["curves.png", "drawing.png", "generated.png"], ["the mean image: 204.2"]),
    "cluttered": ("Readers", ["curves.png", "looks.png"], ["always the same digit: 0.100"]),
    "speech": ("Digits", ["curves.png", "heard.png"], ["the right number, all the same: 0.900"]),
    "sentiment": ("Sentiment", ["curves.png"], ["bag of words: 0.", "always the same answer: 0.500"]),
}


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Read the dates only once, because it takes seconds."""
    example = imported("dates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example, "written_dates", functools.cache(example.written_dates))
        yield


@pytest.mark.parametrize("name", TASKS)
def test_an_example_learns_and_draws_and_goes_on_after_an_interruption(name, tmp_path, capsys):
    check_example(name, *TASKS[name], tmp_path, capsys)


def test_two_digits_are_read_and_the_run_goes_on_after_an_interruption(tmp_path, capsys):
    """That such a model learns, on smaller images, is tested in tests/nn/looking/test_dram.py."""
    said = ["the same pair: about 0.010", "with random looks 0."]
    check_example("dram", "Reading", ["curves.png", "looks.png"], said, tmp_path, capsys, learns=False)


@pytest.mark.parametrize("name", [*TASKS, "dram"])
def test_an_example_says_how_to_run_it(name):
    check_that_it_says_how_to_run(name)


def test_the_stocks_of_a_year_are_predicted_from_the_time_before(tmp_path):
    """Later prices change neither the losses nor the prediction for the first month of the year.

    The last month before the year is used in the training.
    """

    def losses(year):
        year.rng.bit_generator.state = state
        return [year.loss().item() for _ in range(20)]

    for year in made("stocks", "Stocks", tmp_path).years.values():
        state = year.rng.bit_generator.state
        before, said = losses(year), year.rises()
        year.inputs[year.start :], year.factors[year.start :] = 7.0, 7.0
        assert losses(year) == before
        assert (year.rises()[0] == said[0]).all()
        year.factors[year.start - 1] = 1 / year.factors[year.start - 1]
        assert losses(year) != before


# --- dates, with --predict ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A task that has learned the format of a date, and the folder of its run."""
    folder = tmp_path_factory.mktemp("dates")
    task = made("dates", "Dates", folder)
    task.finish = lambda: None
    train(task, folder, 200)
    return task


@pytest.mark.parametrize("text", ["Thursday, March 11, 2021", " 11 mars 2021 🐎"])
def test_a_date_is_all_that_is_printed_and_what_was_looked_at_is_drawn(learned, text, capsys):
    picture = learned.out / "alignment.png"
    picture.unlink(missing_ok=True)
    learned.predict(text)
    # after a short run, any date may be answered
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\n", capsys.readouterr().out)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_process_of_its_own_prints_the_same(learned, capsys):
    """Nothing goes to standard error, although the picture needs characters that few fonts have."""
    text = "११ मार्च २०२१"
    learned.predict(text)
    picture = learned.out / "alignment.png"
    drawn = picture.read_bytes()
    picture.unlink()
    result = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "dates.py", "--out", learned.out, "--predict", text],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, capsys.readouterr().out, "")
    assert picture.read_bytes() == drawn


@pytest.mark.parametrize("text", ["", " \u200e "])
def test_an_empty_text_is_not_a_date(learned, text, capsys):
    with pytest.raises(ValueError, match="an empty text is not a date"):
        learned.predict(text)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("written", ["2021-02-31", "202-12-02", ""])
def test_an_answer_that_is_not_a_date_is_not_printed(learned, monkeypatch, written, capsys):
    monkeypatch.setattr(learned, "answers", lambda texts: [written] * len(texts))
    with pytest.raises(ValueError, match=r"day is out of range|Invalid isoformat string: '(202-12-02)?'"):
        learned.predict("31 february 2021")
    assert capsys.readouterr().out == ""


def test_without_a_run_no_date_is_known(monkeypatch, tmp_path, capsys):
    example = imported("dates")
    monkeypatch.setattr(sys, "argv", ["dates.py", "--out", str(tmp_path), "--predict", "3 mars 2021"])
    with pytest.raises(SystemExit, match="1"):
        learner.command(example.Dates, "", example.__file__, steps=10, predict=example.Dates.predict)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"error: there is no trained run in {tmp_path}\n")
    assert not list(tmp_path.iterdir())


def test_a_character_that_was_never_seen_is_one_that_was_learned(learned):
    xs, lengths = learned.read(["3 march 2021", "🐎"])
    assert lengths.tolist() == [12, 1]
    assert (xs[:, 0] > 0).all()
    assert xs[0, 1] == 0
    unknown = learned.build(np.random.default_rng(0)).features.weight[0]
    assert (learned.model.features.weight[0].numpy() != unknown.numpy()).all()


def test_an_example_without_its_package_says_what_to_install(monkeypatch, capsys):
    digits = made("digits", "Digits", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr(sys, "argv", ["digits.py"])
    with pytest.raises(SystemExit, match="1"):
        learner.command(type(digits), "What it is.", str(EXAMPLES / "digits.py"), steps=10)
    assert capsys.readouterr().err == (
        'error: these data come with the package sklearn: pip install -e ".[data]"\n'
    )
