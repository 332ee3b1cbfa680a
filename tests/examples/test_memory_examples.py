"""The examples of neural Turing machines, briefly, in their small forms."""

import numpy as np
import pytest
from brief import check_example, check_that_it_says_how_to_run, made

import tinygrad_seq as ts

pytestmark = pytest.mark.examples

TASKS = {  # the small form and the paper's, and the pictures of the small one
    "ntm_copy": ("SmallCopiers", "Copiers", ["length_6.png", "length_12.png"]),
    "ntm_repeat_copy": ("SmallRepeaters", "Repeaters", ["length_3_repeats_3.png", "length_3_repeats_6.png"]),
    "ntm_recall": ("SmallRecallers", "Recallers", ["items_4.png", "items_8.png"]),
}
EACH = pytest.mark.parametrize(
    ("name", "small", "full", "pictures"), [(name, *row) for name, row in TASKS.items()]
)


@EACH
def test_an_example_learns_and_draws_and_goes_on_after_an_interruption(
    name, small, full, pictures, tmp_path, capsys
):
    check_example(name, small, ["curves.png", *pictures], ["always 0", "as in training"], tmp_path, capsys)


@pytest.mark.parametrize("name", TASKS)
def test_an_example_says_how_to_run_it(name):
    check_that_it_says_how_to_run(name)


@EACH
def test_both_networks_have_as_many_numbers_to_learn(name, small, full, pictures, tmp_path):
    for task in (small, full):
        machine, lstm = (
            sum(p.size for p in network.model.parameters())
            for network in made(name, task, tmp_path).networks.values()
        )
        assert 0.97 < lstm / machine < 1.03


@EACH
def test_the_paper_form_is_of_the_papers_size(name, small, full, pictures, tmp_path):
    """Table 1 of Graves, Wayne & Danihelka (2014), one sequence at a time."""
    machine = made(name, full, tmp_path).networks["NTM"]
    cell = machine.model.runner.cell
    assert machine.work == ("sequences", 1)
    assert (cell.first_memory.shape, cell.controller.cell.Wh.shape) == ((128, 20), (100, 400))


def test_wrong_bits_are_those_of_a_sequence(tmp_path):
    copier = made("ntm_copy", "SmallCopiers", tmp_path).networks["LSTM"]
    xs, targets = copier.draw(np.random.default_rng(0), 3, length=5)
    logits = copier.model(ts.tensor(xs)).numpy()[6:]
    by_hand = [sum((logits[:, b] > 0).ravel() != targets[:, b].ravel()) for b in range(3)]
    assert len(set(by_hand)) > 1
    assert copier.wrong(xs, targets) == np.mean(by_hand)


def test_the_picture_shows_the_outputs_after_the_question(tmp_path):
    copier = made("ntm_copy", "SmallCopiers", tmp_path).networks["NTM"]
    xs, targets = copier.draw(np.random.default_rng(0), 1, length=5)
    inputs, outputs = copier.picture(xs, len(targets)).axes[:2]
    said = ts.sigmoid(copier.model(ts.tensor(xs))).numpy()[:, 0].T * (np.arange(11) > 5)
    np.testing.assert_allclose(outputs.images[0].get_array(), said, rtol=1e-5)
    np.testing.assert_array_equal(inputs.images[0].get_array(), xs[:, 0].T)
