"""A linear dynamical system and an autoregression, learned by gradient, as recurrent networks are.

    python examples/state_space.py            # or --resume, after an interruption

Vectors that a linear dynamical system has made, two noisy rotations seen through noise, are foretold by an
autoregressive model of the last five, by another such system (the Kalman filter), and by an LSTM with normal
noise. The figure is log p(x_t | x_1 ... x_{t-1}) of fresh sequences, in nats per step: beside that of the
system that made them, which nothing can beat but by chance, and beside one normal distribution for all steps.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: more threads mostly wait

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, no_grad
from tinygrad_seq.nn.classical.gaussian import diagonal, log_normal, triangular
from tinygrad_seq.training import Learner, Race, command, curves, verdict

STATES, SIZE, STEPS, BATCH, FRESH, HIDDEN = 4, 2, 50, 32, 400, 32


def system():
    """Two rotations, of periods 6 and 25, that lose 3 % a step; of their sum both coordinates are seen."""
    made = nn.LinearDynamicalSystem(STATES, SIZE, rng=0)
    turns = np.zeros((STATES, STATES), np.float32)
    for i, angle in ((0, 1.0), (2, 0.25)):
        c, s = np.cos(angle), np.sin(angle)
        turns[i : i + 2, i : i + 2] = 0.97 * np.array([[c, s], [-s, c]])
    made.transition.assign_(turns)
    made.emission.assign_(np.vstack([np.eye(2), np.eye(2)]))
    made.transition_noise.assign_(0.06 * np.eye(STATES))
    made.emission_noise.assign_([[0.3, 0.15], [0.15, 0.3]])
    return made


class Model(Learner):
    """Learns to foretell sequences of its `maker`, after the first step, which is given."""

    columns, epoch, work, lr = ("loss", "nats"), 50, ("sequences", BATCH), 0.02

    def maker(self):
        raise NotImplementedError

    def trivial(self, xs, many):
        raise NotImplementedError

    def logs(self, xs):
        return self.model.log_likelihoods(xs)[1:]

    def drawn(self, batch, rng):
        return ts.tensor(self.maker().sample(STEPS, batch, rng=rng), device=self.device)

    def loss(self):
        return -self.logs(self.drawn(BATCH, self.rng)).mean()

    def validate(self):
        with no_grad():
            return {"nats": self.logs(self.drawn(FRESH, [self.seed, 1])).mean().item()}

    def levels(self):
        """log p of fresh sequences by their maker, and by what is the same for all steps, of many of them."""
        fresh, many = self.drawn(FRESH, [self.seed, 1]), self.drawn(5000, [self.seed, 2]).numpy()[1:]
        with no_grad():
            best = self.maker().to(self.device).log_likelihoods(fresh)[1:].mean().item()
        return best, float(self.trivial(fresh.numpy()[1:], many).mean())


class OfVectors(Model):
    def maker(self):
        return system()

    def trivial(self, xs, many):
        """log p under one normal distribution."""
        many = many.reshape(-1, SIZE)
        e, inverse = xs - many.mean(0), np.linalg.inv(np.cov(many.T))
        return 0.5 * (np.linalg.slogdet(inverse)[1] - SIZE * np.log(2 * np.pi) - ((e @ inverse) * e).sum(-1))


class AR(OfVectors):
    def build(self, rng):
        return nn.Autoregressive(SIZE, steps=5)


class LDS(OfVectors):
    def build(self, rng):
        return nn.LinearDynamicalSystem(STATES, SIZE, rng=rng)


class WithNoise(nn.ManyToMany):
    """y_t + e_t, with normal noise e_t ~ N(0, (U U')^-1), learned as that of the autoregressive model."""

    def __init__(self, features, runner, readout):
        super().__init__(features, runner, readout)
        self.whitening = nn.Parameter(np.zeros((SIZE, SIZE), np.float32))

    def logs(self, xs, targets):
        z = (targets - self(xs)) @ triangular(self.whitening)
        return log_normal(z) + diagonal(self.whitening).sum()


class VectorLSTM(OfVectors):
    lr = 5e-3

    def build(self, rng):
        rnn, readout = nn.Recurrent(nn.LSTMCell(SIZE, HIDDEN, rng=rng)), nn.Linear(HIDDEN, SIZE, rng=rng)
        return WithNoise(lambda x: x, rnn, readout)

    def logs(self, xs):
        return self.model.logs(xs[:-1], xs[1:])


class Contest(Race):
    """Several models of the same maker, by the name that the picture gives them."""

    def __init__(self, out, seed, device, kinds, least):
        self.models = {name: kind(out, seed, device) for name, kind in kinds.items()}
        self.least = least
        super().__init__(out, self.models, "nats")

    def finish(self):
        best, trivial = next(iter(self.models.values())).levels()
        print(f"log p per step: their maker {best:.4f}, {self.least} {trivial:.4f}")
        for name, nats in self.validate().items():
            print(f"  {name}: {nats:.4f}{verdict(nats, trivial)}")
        levels = {"their maker": best, self.least: trivial}
        curves(self.out, {name: name for name in self.models}, ylabel="log p per step, nats", levels=levels)
        print(f"all in {self.out}")


class Vectors(Contest):
    def __init__(self, out, seed, device):
        kinds = {"AR(5)": AR, "LDS": LDS, "LSTM": VectorLSTM}
        super().__init__(out, seed, device, kinds, "one normal distribution")


if __name__ == "__main__":
    command(Vectors, __doc__, __file__, steps=600)
