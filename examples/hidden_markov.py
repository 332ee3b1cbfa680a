"""A hidden Markov model, learned by gradient, as recurrent networks are.

    python examples/hidden_markov.py            # or --resume, after an interruption

Symbols that a hidden Markov model has made are foretold by another one (the forward algorithm), and by an LSTM.
The figure is log p(x_t | x_1 ... x_{t-1}) of fresh sequences, in nats per step: beside that of the model that
made them, which nothing can beat but by chance, and beside the frequencies of the symbols.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: more threads mostly wait

import numpy as np
from state_space import HIDDEN, STATES, Contest, Model

from tinygrad_seq import nn
from tinygrad_seq.training import command

SYMBOLS = 8


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


class OfSymbols(Model):
    def maker(self):
        return chain()

    def trivial(self, xs, many):
        """log p by the frequencies of the symbols."""
        return np.log(np.bincount(many.ravel()) / many.size)[xs]


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


class Symbols(Contest):
    def __init__(self, out, seed, device):
        super().__init__(out, seed, device, {"HMM": HMM, "LSTM": SymbolLSTM}, "their frequencies")


if __name__ == "__main__":
    command(Symbols, __doc__, __file__, steps=600)
