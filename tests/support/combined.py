"""Cells made of cells, for the laws that hold for every cell: combinators are in here, as cells in `nn.CELLS`.

Each is made as those of the registry are, by (input_size, hidden_size, *, rng, dtype); all sizes within are
unequal where they may be.
"""

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, tree


def stacked(inputs, units, **options):
    """Two cells of unequal kinds; the state is ((h, c), h)."""
    return nn.Stacked(nn.LSTMCell(inputs, 4, **options), nn.GRUCell(4, units, **options))


def shortcut(inputs, units, **options):
    """The input to every layer, and every layer to the output, which is of the size of all."""
    cells = nn.RNNCell(inputs, units - 2, **options), nn.LSTMCell(inputs + units - 2, 2, **options)
    return nn.Stacked(*cells, input_to_all=True, all_to_output=True)


def residual(inputs, units, **options):
    return nn.Stacked(nn.GRUCell(inputs, units, **options), nn.Residual(nn.LSTMCell(units, units, **options)))


def mapped(inputs, units, **options):
    before = nn.Sequential(nn.Linear(inputs, 4, **options), ts.tanh)
    after = nn.Sequential(
        nn.Linear(2, units, **options), nn.Shortcut(nn.Linear(units, units, **options), ts.sigmoid)
    )
    return nn.Mapped(nn.LSTMCell(4, 2, **options), before=before, after=after)


def deep_transition(inputs, units, **options):
    """Three kinds of cells on the way from state to state, with a shortcut."""
    first = nn.RNNCell(inputs, units, **options)
    return nn.DeepTransition(first, nn.GRUCell(units, units, **options), nn.RNNCell(units, units, **options))


def deep_transition_without_shortcut(inputs, units, **options):
    cells = nn.GRUCell(inputs, units, **options), nn.RNNCell(0, units, **options)
    return nn.DeepTransition(*cells, shortcut=False)


def leaky(inputs, units, **options):
    """A time constant for each unit of a deep transition."""
    return nn.LeakyCell(
        deep_transition(inputs, units, **options), [1.0 + k for k in range(units)], learned=True
    )


def fed_back(inputs, units, **options):
    return nn.FedBack(nn.GRUCell(inputs + units, 4, **options), nn.Linear(4, units, **options), size=units)


def attending(inputs, units, **options):
    """It looks at vectors that are learned, the same for all rows; the last of them is out of sight."""
    annotations = nn.Embedding(4, 2, **options).weight
    cell = nn.LSTMCell(inputs + 2, 3, **options)
    look = nn.Attending(cell, nn.AdditiveScore(3, 2, 6, **options), annotations, np.arange(4) < 3)
    return nn.Mapped(look, after=nn.Linear(3 + 2, units, **options))


def hard_attending(inputs, units, **options):
    """With a gate, and vectors that all rows look at; it is without noise, the same at every call."""
    annotations = nn.Embedding(4, 2, **options).weight
    cell = nn.LSTMCell(inputs + 2, 3, **options)
    score, gate = nn.AdditiveScore(3, 2, 6, **options), nn.Linear(3, 1, **options)
    look = nn.HardAttending(cell, score, annotations, np.arange(4) < 3, gate)
    return nn.Mapped(look, after=nn.Linear(3 + 2, units, **options))


def learned_start(inputs, units, **options):
    return nn.LearnedStart(nn.Stacked(nn.LSTMCell(inputs, 4, **options), nn.GRUCell(4, units, **options)))


class FromAnyState(nn.NTMCell):
    """A machine that takes any numbers for its state: the laws draw them, and weightings are of sum 1."""

    def __call__(self, state, x):
        s, r, w, m = state
        return super().__call__((s, r, ts.softmax(w), m), x)


def turing_machine(inputs, units, **options):
    """A head that reads six rows of width 7, and two that write."""
    controller = nn.LSTMCell(inputs + 7, 4, **options)
    return FromAnyState(controller, units, memory=(6, 7), writes=2, memory_start="learned", **options)


def repeated(inputs, units, **options):
    return nn.RepeatCell(nn.LSTMCell(inputs + 1, units, **options), 3)


def adaptive(inputs, units, **options):
    """It halts after one, two or three visits; of what it says, the output."""
    rng = options["rng"]
    act = nn.ACTCell(nn.GRUCell(inputs + 1, units, **options), epsilon=0.3, max_steps=3, rng=rng)
    act.halting.weight.assign_(act.halting.weight * 3.0)
    return nn.Mapped(act, after=lambda made: made[0])


def drawing(inputs, units, **options):
    """One image for all rows, read and drawn through windows; of a step, what it draws its variable from."""
    image = np.random.default_rng(3).random((4, 5)).astype(options.get("dtype", np.float32))
    cell = nn.DRAWCell(nn.DRAW((4, 5), latent=3, hidden=4, read=2, write=3, **options), image)

    def joined(made):
        return ts.concatenate([made.mean, made.log_sigma, made.write.centre], axis=-1)

    after = nn.Sequential(joined, nn.Linear(3 + 3 + 2, units, **options))
    return nn.Mapped(cell, before=nn.Linear(inputs, 3, **options), after=after)


def watching(inputs, units, **options):
    """Looks at one image for all rows, from which no gradient flows to the places."""
    image = np.random.default_rng(3).normal(size=(7, 9)).astype(options.get("dtype", np.float32))
    model = nn.RAM(2, size=3, scales=2, sigma=0.3, features=4, hidden=6, **options)
    return looks(nn.RAMCell(model, image), 2 + 1 + 1, inputs, units, **options)


def reading(inputs, units, **options):
    """Two networks, and a coarse image at the start of the one that chooses."""
    image = np.random.default_rng(3).normal(size=(6, 9)).astype(options.get("dtype", np.float32))
    model = nn.DRAM(2, size=2, scales=2, sigma=0.3, hidden=6, context=(2, 3), **options)
    return looks(nn.DRAMCell(model, image), 6 + 2 + 1 + 1, inputs, units, **options)


def looks(cell, size, inputs, units, **options):
    """All parts of the output, of this size together, for inputs that are not noise."""

    def joined(made):
        parts = tree.leaves(made)
        return ts.concatenate([part if part.ndim == 2 else part[:, None] for part in parts], axis=-1)

    after = nn.Sequential(joined, nn.Linear(size, units, **options))
    return nn.Mapped(cell, before=nn.Linear(inputs, 2, **options), after=after)


SMOOTH = {
    "stacked": stacked,
    "stacked with shortcuts": shortcut,
    "residual": residual,
    "mapped": mapped,
    "deep transition": deep_transition,
    "deep transition without a shortcut": deep_transition_without_shortcut,
    "leaky deep transition": leaky,
    "fed back": fed_back,
    "attending": attending,
    "hard attending": hard_attending,
    "learned start": learned_start,
    "neural Turing machine": turing_machine,
    "repeated": repeated,
    "adaptive": adaptive,
    "drawing": drawing,
}
CHOOSING = {  # their derivatives leave out what depends on their choices, which differences do not know
    "recurrent attention model": watching,
    "deep recurrent attention model": reading,
}
COMBINED = SMOOTH | CHOOSING
