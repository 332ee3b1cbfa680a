"""Models of sequences from before recurrent networks, trained as these are: by the gradient of a likelihood.

    python examples/state_space.py            # or --resume, after an interruption

Vectors that a linear dynamical system has made, two noisy rotations seen through noise, are foretold by an
autoregressive model of the last five, by another such system (the Kalman filter), and by an LSTM with normal
noise. Symbols that a hidden Markov model has made are foretold by another one (the forward algorithm), and by
an LSTM. The figure is log p(x_t | x_1 ... x_{t-1}) of fresh sequences, in nats per step: beside that of the
model that made them, which nothing can beat but by chance, and beside one normal distribution, or the
frequencies of the symbols, for all steps.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: more threads mostly wait

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, no_grad
from tinygrad_seq.learner import Learner, Race, command, history, verdict
from tinygrad_seq.nn.gaussian import diagonal, log_normal, triangular

STATES, SYMBOLS, SIZE, STEPS, BATCH, FRESH, HIDDEN = 4, 8, 2, 50, 32, 400, 32


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


def chain():
    """Four states in a ring, left for the next once in five steps; each has a symbol of its own, beside all."""
    made = nn.HiddenMarkovModel(STATES, SYMBOLS, rng=0)
    stay = 0.8 * np.eye(STATES) + 0.2 * np.roll(np.eye(STATES), 1, axis=1)
    own = np.hstack([0.6 * np.eye(STATES), np.zeros((STATES, SYMBOLS - STATES))]) + 0.4 / SYMBOLS
    with np.errstate(divide="ignore"):  # where there is no way from state to state
        made.transition.assign_(np.log(stay).astype(np.float32))
    made.emission.assign_(np.log(own).astype(np.float32))
    made.initial.assign_(np.zeros(STATES))
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


class OfSymbols(Model):
    def maker(self):
        return chain()

    def trivial(self, xs, many):
        """log p by the frequencies of the symbols."""
        return np.log(np.bincount(many.ravel()) / many.size)[xs]


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


class HMM(OfSymbols):
    def build(self, rng):
        return nn.HiddenMarkovModel(STATES, SYMBOLS, rng=rng)


class SymbolLSTM(OfSymbols):
    lr = 5e-3

    def build(self, rng):
        rnn, readout = nn.Recurrent(nn.LSTMCell(SYMBOLS, HIDDEN, rng=rng)), nn.Linear(HIDDEN, SYMBOLS, rng=rng)
        return nn.ManyToMany(nn.Embedding(SYMBOLS, SYMBOLS, rng=rng), rnn, readout)

    def logs(self, xs):
        return -nn.cross_entropy(self.model(xs[:-1]), xs[1:], reduction="none")


NAMES = {"ar": "AR(5)", "lds": "LDS", "lstm": "LSTM", "hmm": "HMM", "symbol_lstm": "LSTM"}


class Models(Race):
    """All five."""

    def __init__(self, out, seed, device):
        self.ar, self.hmm = AR(out, seed, device), HMM(out, seed, device)
        others = {"lds": LDS, "lstm": VectorLSTM, "symbol_lstm": SymbolLSTM}
        made = {name: kind(out, seed, device) for name, kind in others.items()}
        super().__init__(out, {"ar": self.ar, "hmm": self.hmm, **made}, "nats")

    def finish(self):
        from matplotlib.figure import Figure

        found, log = self.validate(), history(self.out)
        figure = Figure(figsize=(9, 4), layout="constrained")
        vectors = "vectors", "one normal distribution", self.ar, ("ar", "lds", "lstm")
        symbols = "symbols", "their frequencies", self.hmm, ("hmm", "symbol_lstm")
        for axes, (title, least, learner, names) in zip(figure.subplots(1, 2), (vectors, symbols), strict=True):
            best, trivial = learner.levels()
            print(f"{title}, log p per step: their maker {best:.4f}, {least} {trivial:.4f}")
            for name in names:
                print(f"  {NAMES[name]}: {found[name]:.4f}{verdict(found[name], trivial)}")
                axes.plot(*zip(*log[name], strict=True), "o-", markersize=3, label=NAMES[name])
            for level, style, label in ((best, "--", "their maker"), (trivial, ":", least)):
                axes.axhline(level, color="gray", linestyle=style, label=label)
            axes.set(title=title, xlabel="step", ylabel="log p per step, nats")
            axes.grid(alpha=0.3)
            axes.legend()
        figure.savefig(self.out / "curves.png", dpi=150)
        print(f"all in {self.out}")


if __name__ == "__main__":
    command(Models, __doc__, __file__, steps=600)
