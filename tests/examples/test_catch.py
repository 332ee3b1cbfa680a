"""The game of Catch: its rules, one episode at a time in plain Python; and its example, briefly."""

import numpy as np
import pytest
from brief import check_example, check_that_it_says_how_to_run, imported, made
from results import assert_array_equal

import tinygrad_seq as ts

pytestmark = pytest.mark.examples


def played(ball, speed, paddle, moves, size):
    """The columns of the ball and of the paddle after every move."""
    for move in moves:
        ball += speed
        if not 0 <= ball < size:
            ball, speed = ball - 2 * speed, -speed
        paddle = min(max(paddle + move, 0), size - 2)
        yield ball, paddle


def test_the_rules_are_those_of_the_paper():
    """The ball bounces off both walls, and the paddle stops at them."""
    catch = imported("catch")
    rng, size = np.random.default_rng(0), catch.SIZE
    game = catch.Game.begun(50, rng, "cpu")
    start = [part.numpy().ravel().astype(int).tolist() for part in game]
    moves = rng.integers(-1, 2, (size - 1, 50)) | (np.arange(50) < 10)  # some of them always to the right
    episodes = [
        list(played(*row, moves[:, i], size)) for i, row in enumerate(zip(start[0], *start[2:], strict=True))
    ]
    walls = set()
    for t, move in enumerate(moves):
        game = game.after(ts.tensor(move[:, None].astype(np.float32)))
        assert_array_equal(game.ball, np.float32([[episode[t][0]] for episode in episodes]))
        assert_array_equal(game.paddle, np.float32([[episode[t][1]] for episode in episodes]))
        assert_array_equal(game.row, np.full((50, 1), t + 1, np.float32))
        walls |= {*game.ball.numpy().ravel().tolist()}
    assert {0, size - 1} <= walls
    ends = [0 <= ball - paddle <= 1 for ball, paddle in (episode[-1] for episode in episodes)]
    assert_array_equal(ts.squeeze(game.above(game.ball), -1), np.array(ends))
    assert 0 < sum(ends) < 50


def test_the_screen_shows_the_ball_and_the_paddle():
    catch = imported("catch")
    numbers = (3.0, 5.0, 1.0, 10.0)
    game = catch.Game(*(ts.tensor(np.float32([[x]])) for x in numbers))
    pixels = np.argwhere(game.screen().numpy()[0] == 1).tolist()
    assert pixels == [[5, 3], [catch.SIZE - 1, 10], [catch.SIZE - 1, 11]]


def test_it_goes_on_after_an_interruption_and_draws(tmp_path, capsys, monkeypatch):
    catch = imported("catch")
    monkeypatch.setattr(catch, "EPISODES", 8)  # of 128
    monkeypatch.setattr(catch, "FRESH", 50)  # of 1000
    said = ["moves at random: 0.", "the same network with random looks: 0."]
    check_example("catch", "Catch", ["catch.png", "curves.png"], said, tmp_path, capsys, learns=False)


def test_a_player_with_random_looks_or_moves_is_another_player(tmp_path):
    """And without either, an episode is the same again."""
    task = made("catch", "Catch", tmp_path)
    places = [task.play(5, **way)[1][3].numpy() for way in ({}, {}, {"looks": True})]
    assert_array_equal(ts.tensor(places[0]), places[1])
    assert np.abs(places[2] - places[0]).max() > 0.1
    assert np.abs(places[2][0] - places[0][0]).max() == 0  # the first look is in the middle
    screens = [task.play(50, confused=c)[1][4].numpy()[-1] for c in (0.0, 1e6)]
    assert (screens[0] != screens[1]).any((1, 2)).mean() > 0.5


def test_it_says_how_to_run_it():
    check_that_it_says_how_to_run("catch")
