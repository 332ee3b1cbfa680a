"""Many to many, per frame: films of a digit that drifts and bounces; in which direction, in every frame?

    .venv/bin/python examples/moving_digits.py  # --resume continues an interrupted run

The lecture's classification of a film frame by frame, on generated films of 12 x 12 pixels, with one digit and
noise. A single frame does not show where the digit comes from, so a network without a memory can only guess
from the place of the digit. It is trained together with the recurrent one. The first frame of each film is not
counted.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import moving_digits
from tinygrad_seq.training import Learner, Race, command, curves, verdict

FRAMES, SIZE, BATCH, FEATURES, HIDDEN = 16, 12, 16, 48, 48
ARROWS = "\N{NORTH WEST ARROW}\N{NORTH EAST ARROW}\N{SOUTH WEST ARROW}\N{SOUTH EAST ARROW}"


class Memoryless(nn.Cell):
    """A cell without a state: y = tanh(x W + b), so that every frame is judged by itself."""

    def __init__(self, input_size, hidden_size, *, rng):
        self.layer = nn.Linear(input_size, hidden_size, rng=rng)

    def initial_state(self, batch, like):
        return ts.zeros_like(like, shape=(batch, 0))

    def __call__(self, state, x):
        return state, ts.tanh(self.layer(x))


class Film(Learner):
    """o_t = W h_t + b, h_t the state of a cell that receives a layer of features of each frame."""

    columns, epoch, work = ("loss", "accuracy"), 200, ("films", BATCH)

    def cell(self, rng):
        return nn.LSTMCell(FEATURES, HIDDEN, rng=rng)

    def build(self, rng):
        features = nn.Sequential(nn.Linear(SIZE * SIZE, FEATURES, rng=rng), ts.relu)
        rnn = nn.Recurrent(self.cell(rng))
        return nn.PerFrame(features, rnn, nn.Linear(HIDDEN, 4, rng=rng))

    def loss(self):
        films, directions, _ = moving_digits(FRAMES, BATCH, size=SIZE, rng=self.rng)
        logits = self.model(ts.tensor(films, device=self.device))
        return nn.cross_entropy(logits[1:], directions[1:])

    def validate(self):
        films, directions, _ = moving_digits(FRAMES, 300, size=SIZE, rng=np.random.default_rng([self.seed, 1]))
        return {"accuracy": np.mean((self.answers(films) == directions)[1:])}

    def answers(self, films):
        with ts.no_grad():
            return self.model(ts.tensor(films, device=self.device)).numpy().argmax(-1)


class OneFrame(Film):
    """The same network without a memory."""

    def cell(self, rng):
        return Memoryless(FEATURES, HIDDEN, rng=rng)


class Films(Race):
    def __init__(self, out, seed, device):
        self.seed, self.recurrent = seed, Film(out, seed, device)
        learners = {"LSTM": self.recurrent, "one frame": OneFrame(out, seed, device)}
        super().__init__(out, learners, "accuracy")

    def finish(self):
        print("directions of frames of fresh films; always the same direction: 0.250")
        for name, accuracy in self.validate().items():
            print(f"  {name:16} {accuracy:.3f}{verdict(accuracy, 0.25)}")
        curves(
            self.out,
            {name: name for name in self.learners},
            ylabel="frames answered right",
            levels={"always the same direction": 0.25},
        )
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw one film; over each frame the LSTM's answer, in red if it is wrong."""
        films, directions, _ = moving_digits(FRAMES, 1, size=SIZE, rng=np.random.default_rng([self.seed, 2]))
        answers = self.recurrent.answers(films)
        figure = Figure(figsize=(FRAMES, 1.4), layout="constrained")
        for t, axes in enumerate(figure.subplots(1, FRAMES)):
            axes.imshow(films[t, 0], cmap="gray", vmin=0, vmax=1)
            right = t == 0 or answers[t, 0] == directions[t, 0]
            shown = ARROWS[answers[t, 0]] if t else ""
            axes.set_title(shown, color="black" if right else "red", fontsize=18)
            axes.set_axis_off()
        figure.savefig(self.out / "film.png", dpi=100)


if __name__ == "__main__":
    command(Films, __doc__, __file__, steps=1000)
