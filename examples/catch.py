"""Action selection: a network plays Catch, and sees the screen only through a retina that it moves itself.

    .venv/bin/python examples/catch.py  # --resume continues an interrupted run

A ball falls through a screen of 24 x 24 pixels, straight or diagonally, and bounces off the walls; at the end a
paddle of two pixels should be below it (Mnih, Heess, Graves & Kavukcuoglu 2014, section 4.2). At every step the
network looks at one place, moves the paddle, and chooses the next place. The rules of the game are ops of the
step, so all episodes of a batch are one scan. Both choices are trained by REINFORCE, with a reward of 1 for a
catch. The trivial players are one that moves at random, and the same network with looks at random places.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.training import Learner, command, curves, verdict

SIZE = 24  # of the screen; the ball falls one row at every step, so an episode has SIZE - 1 of them
RETINA, SCALES, FEATURES, HIDDEN, SIGMA = 6, 3, 64, 64, 0.2
EPISODES, FRESH, STEPS, ENTROPY = 128, 1000, 16_000, 0.03


class Game(NamedTuple):
    """A batch of episodes: whole numbers of pixels, as floats (B, 1)."""

    ball: ts.Tensor  # its column
    row: ts.Tensor
    speed: ts.Tensor  # columns to the right at every step
    paddle: ts.Tensor  # the left one of its two columns

    @classmethod
    def begun(cls, count, rng, device):
        """The ball anywhere in the first row, with any speed; the paddle in the middle."""
        drawn = rng.integers(0, SIZE, count), 0, rng.integers(-1, 2, count), SIZE / 2 - 1
        columns = (np.broadcast_to(np.float32(x), count)[:, None] for x in drawn)
        return cls(*(ts.tensor(x, device=device) for x in columns))

    def screen(self):
        """(B, SIZE, SIZE): 1 for the ball and for the paddle, which is in the last row."""
        columns = ts.tensor(np.arange(SIZE, dtype=np.float32)[None], device=self.ball.device)
        ball = ts.logical_and(columns.mT == self.row[:, None], columns == self.ball[:, None])
        paddle = ts.logical_and(columns.mT == SIZE - 1, self.above(columns)[:, None])
        return ts.logical_or(ball, paddle).astype("float32")

    def after(self, move):
        """The game after a move of the paddle by -1, 0 or 1 columns (B, 1)."""
        x, last = self.ball + self.speed, SIZE - 1.0
        ball = ts.where(x > last, 2 * last - x, abs(x))
        speed = ts.where(x == ball, self.speed, -self.speed)
        return Game(ball, self.row + 1, speed, ts.clip(self.paddle + move, 0, last - 1))

    def above(self, column):
        """Whether a column is above the paddle."""
        return abs(column - self.paddle - 0.5) < 1.0


class Player(nn.Module):
    """h = LSTM(relu(W retina(screen, l) + V l + b)),  move ~ softmax(A h),  l' ~ N(tanh(L h), sigma^2)"""

    def __init__(self, rng):
        self.what = nn.Linear(SCALES * RETINA**2, FEATURES, rng=rng)
        self.where = nn.Linear(2, FEATURES, bias=False, rng=rng)
        self.core = nn.LSTMCell(FEATURES, HIDDEN, rng=rng)
        self.action, self.locator, self.baseline = (nn.Linear(HIDDEN, n, rng=rng) for n in (3, 2, 1))

    def step(self, state, noise):
        """One step: game, place and state of the LSTM after it; log p, entropy, baseline, place and screen."""
        (game, centre, core), (gumbel, normal, looks) = state, noise
        screen = game.screen()
        areas = np.float32(4.0) ** np.arange(SCALES, dtype=np.float32)[:, None, None]  # sums, not means:
        seen = nn.retina(screen, centre, RETINA, SCALES) * areas  # the ball is a 1 at every scale
        core, h = self.core(core, ts.relu(self.what(seen.reshape(len(seen), -1)) + self.where(centre)))
        logits, fixed = self.action(h), ts.stop_gradient(h)  # the moves alone train what is remembered
        move, log_move = nn.reinforce.categorical(logits, gumbel)
        place, log_place = nn.reinforce.gaussian(ts.tanh(self.locator(fixed)), SIGMA, normal)
        baseline, entropy = ts.squeeze(self.baseline(fixed), -1), nn.reinforce.entropy(logits)
        after = game.after((move - 1).astype("float32")[:, None]), place if looks is None else looks, core
        return after, (log_move + log_place, entropy, baseline, centre, screen)

    def __call__(self, game, gumbel, normal, looks=None):
        """1 for every episode that ends with a catch, (B,), and what all steps return."""
        middle = ts.zeros_like(game.ball, shape=(len(game.ball), 2))
        start = game, middle, self.core.initial_state(len(middle), like=middle)
        (game, _, _), played = ts.scan(self.step, start, (gumbel, normal, looks))
        return ts.squeeze(game.above(game.ball), -1).astype("float32"), played


class Catch(Learner):
    columns, epoch, lr, work = ("loss", "caught"), 250, 2e-3, ("episodes", EPISODES)

    def build(self, rng):
        self.schedule = optim.cosine(self.lr, STEPS)
        return Player(rng)

    def loss(self):
        self.optimizer.lr, shape = self.schedule(self.optimizer.steps), (SIZE - 1, EPISODES)
        noise = self.rng.gumbel(size=(*shape, 3)).astype("f4"), self.rng.standard_normal((*shape, 2), "f4")
        reward, (log_p, entropy, baseline, *_) = self.model(Game.begun(EPISODES, self.rng, self.device), *noise)
        returns = ts.broadcast_to(reward, shape)
        choices = nn.reinforce.loss(log_p, returns, baseline)
        return choices + nn.mse(baseline, returns) - ENTROPY * entropy.sum(0).mean()

    def play(self, count, *, confused=0.0, looks=False):
        """Fresh episodes, without noise; or with so much that all moves are random, or with random looks."""
        rng, shape = np.random.default_rng([self.seed, 1]), (SIZE - 1, count)
        gumbel, normal = confused * rng.gumbel(size=(*shape, 3)).astype("f4"), np.zeros((*shape, 2), "f4")
        places = rng.uniform(-1, 1, (*shape, 2)).astype("f4") if looks else None
        with ts.no_grad():
            return self.model(Game.begun(count, rng, self.device), gumbel, normal, places)

    def validate(self):
        return {"caught": self.play(FRESH)[0].mean()}

    def finish(self):
        players = (0.0, False), (1e6, False), (0.0, True)
        caught, random, looks = (float(self.play(FRESH, confused=c, looks=x)[0].mean()) for c, x in players)
        print(f"fresh episodes that end with a catch: {caught:.3f}{verdict(caught, max(random, looks))}")
        print(f"  moves at random: {random:.3f}\n  the same network with random looks: {looks:.3f}")
        levels = {"moves at random": random, "random looks": looks}
        curves(self.out, {"caught": "caught"}, ylabel="episodes that end with a catch", levels=levels)
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw three episodes: every second screen, with the squares that the network sees at that step."""
        _, (*_, centres, screens) = self.play(3)
        figure = Figure(figsize=(12, 3.4), layout="constrained")
        for i, row in enumerate(figure.subplots(3, 12)):
            for t, axes in zip(range(0, SIZE - 1, 2), row, strict=True):
                axes.imshow(screens[t, i].numpy(), cmap="gray_r", vmin=0, vmax=1)
                x, y = np.floor((centres[t, i].numpy().clip(-1, 1) + 1) / 2 * SIZE) - 0.5
                for side, colour in zip((6, 12, 24), ("C3", "C1", "C0"), strict=True):
                    axes.add_patch(
                        Rectangle((x - side / 2, y - side / 2), side, side, fill=False, color=colour)
                    )
                axes.set(xlim=(-0.5, SIZE - 0.5), ylim=(SIZE - 0.5, -0.5), xticks=[], yticks=[])
        figure.savefig(self.out / "catch.png", dpi=200)


if __name__ == "__main__":
    command(Catch, __doc__, __file__, steps=STEPS)
