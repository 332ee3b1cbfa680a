"""The examples of adaptive computation time, with the same checks as the examples of patterns."""

import numpy as np
import pytest
from brief import check_example, check_that_it_says_how_to_run, imported, made
from results import assert_allclose

from tinygrad_seq import nn

pytestmark = pytest.mark.examples


def test_parity_learns_and_draws_and_goes_on_after_an_interruption(tmp_path, capsys, monkeypatch):
    example = imported("act_parity")
    monkeypatch.setattr(example, "SEEDS", 1)  # instead of three
    some = ("RNN", "Repeat 2", "ACT 1", "ACT 0.001")
    monkeypatch.setattr(example, "ROWS", {name: example.ROWS[name] for name in some})
    said = ["always the same answer", "with every seed: none"]
    check_example("act_parity", "Parity", ["act_parity.png", "curves.png"], said, tmp_path, capsys)


def test_addition_learns_and_draws_and_goes_on_after_an_interruption(tmp_path, capsys):
    pictures = ["curves.png", "ponder.png"]
    check_example("act_addition", "Addition", pictures, ["always the commonest sum: 0.0"], tmp_path, capsys)


@pytest.mark.parametrize("name", ["act_parity", "act_addition"])
def test_an_example_says_how_to_run_it(name):
    check_that_it_says_how_to_run(name)


def test_the_rows_of_parity_are_the_networks_of_their_names(tmp_path):
    for name, bits in ("Parity", 16), ("LongParity", 64):
        networks = made("act_parity", name, tmp_path).all
        assert {network.bits for network in networks.values()} == {bits}
        for told, network in networks.items():
            (kind, *value), seed = told.split(",")[0].split(), int(told.split(",")[1])
            cell = network.model.runner.cell
            assert type(cell) is {"RNN": nn.RNNCell, "Repeat": nn.RepeatCell, "ACT": nn.ACTCell}[kind]
            assert network.seed == seed
            if kind == "Repeat":
                assert [cell.times] == list(map(int, value))
            if kind == "ACT":
                assert [network.penalty] == list(map(float, value))
                assert cell.max_steps == 10


def test_a_network_that_has_solved_parity_learns_no_further_and_a_checkpoint_knows(tmp_path, monkeypatch):
    example = imported("act_parity")
    monkeypatch.setattr(example, "SEEDS", 2)
    monkeypatch.setattr(example, "ROWS", {"RNN": {}, "Repeat 2": {"times": 2}})
    race, again = (made("act_parity", "Parity", tmp_path) for _ in range(2))
    race.step()
    race.step()
    monkeypatch.setattr(example, "GOAL", 0.0)  # every answer counts as solved
    solved = race.all["RNN, 1"]
    solved.validate()
    monkeypatch.undo()
    monkeypatch.setattr(example, "ROWS", {"RNN": {}, "Repeat 2": {"times": 2}})
    again.load_state_dict(race.state_dict())
    for one in race, again:
        before = {name: learner.model.state_dict() for name, learner in one.all.items()}
        one.step()
        one.validate()
        assert one.found("RNN", "solved").tolist() == [np.inf, 2]
        assert one.found("Repeat 2", "solved").tolist() == [np.inf, np.inf]
        assert one.found("Repeat 2", "visits").tolist() == [2, 2]
        for name, learner in one.all.items():
            moved = any((value != before[name][key]).any() for key, value in learner.model.state_dict().items())
            assert moved == (name != "RNN, 1")


def test_what_parity_counts(tmp_path, monkeypatch):
    """Accuracy and visits of fresh vectors, each computed separately."""
    example = imported("act_parity")
    monkeypatch.setattr(example, "FRESH", 20)
    one = made("act_parity", "Parity", tmp_path).all["ACT 0.001, 1"]
    for _ in range(60):
        one.step()
    found = one.validate()
    xs, odd = example.parity(20, size=16, rng=np.random.default_rng([1, 1]))
    right = visits = 0
    for x, label in zip(xs, odd, strict=True):
        (ys, _, steps), _ = one.model.runner(x[None, None])
        right += (one.model.readout(ys[0, 0]).item() > 0) == label
        visits += steps.item()
    assert 0 < right < 20
    assert visits > 20
    assert found == {"right": right / 20, "visits": visits / 20, "solved": 0}


def test_the_difficulty_of_a_sum_is_that_of_adding_by_hand(monkeypatch):
    """Add digit by digit from the last, with carries."""
    example = imported("act_addition")
    monkeypatch.setattr(example, "DIGITS", 3)
    monkeypatch.setattr(example, "PLACES", 4)
    xs, _ = example.addition(4, 50, digits=3, rng=0)
    written = [["".join(str(one.argmax()) for one in x.reshape(3, 10) if one.any()) for x in row] for row in xs]
    digits, carries = example.difficulty(xs)
    for b in range(50):
        total = written[0][b]
        for t in range(1, 4):
            number, carried, count = written[t][b], 0, 0
            for above, below in zip(reversed(total.zfill(5)), reversed(number.zfill(5)), strict=True):
                carried = int(above) + int(below) + carried > 9
                count += carried
            total = str(int(total) + int(number))
            assert (digits[t - 1, b], carries[t - 1, b]) == (len(number), count)
    assert set(np.unique(carries)) == {0, 1, 2, 3}


def test_what_addition_counts(tmp_path, monkeypatch):
    """The ponder cost is that of scan, and a sum is right if every place is right."""
    example = imported("act_addition")
    monkeypatch.setattr(example, "FRESH", 9)
    one = made("act_addition", "Addition", tmp_path).both["adaptive"]
    for _ in range(3):
        one.step()
    xs, right, ponder, sums = one.fresh()
    (ys, expected, _), _ = one.model.runner(xs)
    assert_allclose(ponder, expected.numpy()[1:], rtol=1e-5)
    logits = one.model.readout(ys[1:]).numpy().reshape(example.NUMBERS - 1, 9, example.PLACES, 11)
    assert_allclose(one.read(xs)[0].numpy(), logits, rtol=1e-4, atol=1e-6)
    assert right.shape == (example.NUMBERS - 1, 9)
    assert (right == np.all(logits.argmax(-1) == sums, axis=-1)).all()
