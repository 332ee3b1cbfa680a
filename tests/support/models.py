"""Every model of the library, for the law of batches.

Cells are those of the registry and of `combined.py`, decoders are in `writers.py`; here are runners, patterns,
classical models, losses and layers. `test_batches.py` checks that no public class is missing.
"""

import numpy as np
from batches import Model, Part, T, ids, of_cell, of_layer, of_rows, of_runner, over_time, summed, vectors, xs
from combined import COMBINED
from writers import WRITERS

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.nn import memory

I, H, C = 3, 5, 6  # noqa: E741  # sizes of inputs, states and outputs
MODELS: dict[str, Model] = dict(WRITERS)


def options(seed=0):
    return {"rng": np.random.default_rng(seed), "dtype": np.float64}


# --- cells, and cells over time -------------------------------------------------------------------------

for name, kind in (nn.CELLS | COMBINED).items():
    made = kind(I, H, **options())
    MODELS[f"a step: {name}"] = of_cell(made)
    MODELS[f"over time: {name}"] = of_runner(nn.Recurrent(made), I, cell=made)

ACT = nn.ACTCell(nn.LSTMCell(I + 1, H, **options()), epsilon=0.3, max_steps=3, rng=1)
MODELS["ACT with ponder and steps"] = of_runner(nn.Recurrent(ACT), I, cell=ACT)
MODELS["ACT, unrolled"] = of_runner(nn.Recurrent(ACT, unroll=True), I, cell=ACT)

LSTM = nn.LSTMCell(I, H, **options())
for form in ({"reverse": True}, {"unroll": True}, {"unroll": True, "reverse": True}, {"batch_first": True}):
    MODELS[f"over time: LSTM {form}"] = of_runner(
        nn.Recurrent(LSTM, **form), I, cell=LSTM, batch_first="batch_first" in form
    )

MACHINE = nn.NTMCell(nn.GRUCell(I + 4, H, **options()), 2, memory=(5, 4), writes=2, **options())
MODELS["trace of a Turing machine"] = Model(
    lambda rng, batch: [xs(rng, batch, I)],
    lambda given, _: over_time(tuple(vars(MACHINE.trace(*given)).values())),
    [MACHINE],
    lengths=False,
)

# --- runners, and patterns around them ------------------------------------------------------------------


def bidirectional(size=I, **form):
    return nn.Bidirectional(nn.LSTMCell(size, 2, **options()), nn.GRUCell(size, 3, **options(1)), **form)


def layers(**form):
    """Layers that read NaN before the first runner and between runners."""
    above = nn.Recurrent(nn.RNNCell(H, 4, **options(3)), **form)
    return nn.Layers(
        nn.Linear(I, C, **options()),
        ts.tanh,
        nn.LayerNorm(C, dtype=np.float64),
        bidirectional(C, **form),
        above,
    )


LOOK = nn.SelfAttention(C, heads=2, **options())
RUNNERS = {
    "bidirectional": (bidirectional(), I),
    "layers": (layers(), I),
    "recurrent dropout": (nn.RecurrentDropout(layers(), 0.5).eval(), I),
    "dropout": (nn.Layers(nn.VariationalDropout(0.5), nn.Dropout(0.5), bidirectional()).eval(), I),
    "self-attention": (LOOK, C),
    "layers with self-attention": (
        nn.Layers(nn.Linear(I, C, **options()), nn.Positions(), LOOK, bidirectional(C)),
        I,
    ),
}
MODELS |= {name: of_runner(runner, size) for name, (runner, size) in RUNNERS.items()}
MODELS["layers, batch first"] = of_runner(layers(batch_first=True), I, batch_first=True)
MODELS["attention weights"] = Model(
    lambda rng, batch: [xs(rng, batch, C)],
    lambda given, lengths: [Part(LOOK.attended(*given, lengths)[1])],
    [LOOK],
)


class Network(nn.Module):
    """A layer and a runner, which does not hide what lies past the lengths from its layer."""

    def __init__(self):
        self.layer, self.runner = nn.Linear(I, I, **options()), nn.Recurrent(LSTM)

    def __call__(self, x, s, lengths=None):
        return self.runner(self.layer(x), s, lengths)


NETWORK = Network()


def chunks(x, lengths, **sizes):
    made = nn.Truncated(NETWORK, x, lengths=lengths, **sizes)
    ys = ts.concatenate([ys for _, ys in made])
    return [*over_time(ys), *of_rows(made.state)]


for sizes in ({"back": 2}, {"back": 3, "every": 1}):
    MODELS[f"truncated {sizes}"] = Model(
        lambda rng, batch: [xs(rng, batch, I)],
        lambda given, lengths, sizes=sizes: chunks(*given, lengths, **sizes),
        [NETWORK],
    )

READOUT = nn.Sequential(nn.Linear(H, C, **options()), ts.tanh, nn.Linear(C, 2, **options()))
TO_ONE = nn.ManyToOne(nn.Linear(I, C, **options()), bidirectional(C), READOUT)
TO_MANY = nn.ManyToMany(nn.Linear(I, C, **options()), bidirectional(C), READOUT)
PER_FRAME = nn.PerFrame(nn.Linear(2 * I, C, **options()), bidirectional(C), READOUT)
TAGGING = nn.ManyToMany(nn.Embedding(C, I, **options()), bidirectional(), READOUT)
WINDOW = nn.FixedWindow(nn.Linear(I, C, **options()), nn.Linear(2 * C, H, **options()), steps=2)
MODELS |= {
    "many to one": Model(
        lambda rng, batch: [xs(rng, batch, I)],
        lambda given, lengths: of_rows(TO_ONE(*given, lengths)),
        [TO_ONE],
    ),
    "many to many": Model(
        lambda rng, batch: [xs(rng, batch, I)],
        lambda given, lengths: over_time(TO_MANY(*given, lengths)),
        [TO_MANY],
    ),
    "per frame": Model(
        lambda rng, batch: [xs(rng, batch, 2, I)],
        lambda given, lengths: over_time(PER_FRAME(*given, lengths)),
        [PER_FRAME],
    ),
    "tagging": Model(
        lambda rng, batch: [ids(rng, batch, C)],
        lambda given, lengths: over_time(TAGGING(*given, lengths)),
        [TAGGING],
    ),
    "fixed window": Model(
        lambda rng, batch: [xs(rng, batch, I)],
        lambda given, lengths: over_time(WINDOW(*given, lengths)),
        [WINDOW],
    ),
}

# --- models that look at images --------------------------------------------------------------------------

LOOKING = {
    "RAM": nn.RAM(C, size=2, scales=2, features=4, hidden=6, **options()),
    "DRAM": nn.DRAM(C, size=2, hidden=6, context=(2, 3), **options()),
}


def look(model, images, noise):
    logits, looks = model(images, noise)
    return [*(of_rows(logits) if logits.ndim == 2 else over_time(logits)), *over_time(tuple(looks))]


for name, model in LOOKING.items():
    MODELS[name] = Model(
        lambda rng, batch: [vectors(rng, batch, 4, 6), Part(rng.normal(size=(T, batch, 2)), 1, 0)],
        lambda given, _, model=model: look(model, *given),
        [model],
        lengths=False,
    )

# --- classical models ------------------------------------------------------------------------------------

HMM = nn.HiddenMarkovModel(4, C, **options())
KALMAN = nn.LinearDynamicalSystem(4, I, **options())
AR = nn.Autoregressive(I, steps=2, dtype=np.float64)
AR.weight.assign_(np.random.default_rng(0).normal(size=AR.weight.shape) * 0.3)
MODELS |= {
    "hidden Markov model": Model(
        lambda rng, batch: [ids(rng, batch, C)],
        lambda given, lengths: over_time(
            (HMM.log_likelihoods(*given, lengths), HMM.filtered(*given, lengths), HMM.viterbi(*given, lengths))
        ),
        [HMM],
    ),
    "linear dynamical system": Model(
        lambda rng, batch: [xs(rng, batch, I)],
        lambda given, lengths: over_time(
            (KALMAN.log_likelihoods(*given, lengths), KALMAN.filtered(*given, lengths)[0])
        ),
        [KALMAN],
    ),
    "autoregressive": Model(
        lambda rng, batch: [xs(rng, batch, I)],
        lambda given, lengths: over_time(
            (AR.log_likelihoods(*given, lengths), AR.predictions(*given, lengths))
        ),
        [AR],
    ),
}

# --- losses of a model with lengths; past them, inputs and targets are NaN -------------------------------

LOSSES = {
    nn.mse: lambda rng, batch: Part(rng.normal(size=(T, batch, 2)), 1, 0, fixed=True),
    nn.huber: lambda rng, batch: Part(rng.normal(size=(T, batch, 2)), 1, 0, fixed=True),
    nn.binary_cross_entropy_with_logits: lambda rng, batch: Part(rng.random((T, batch, 2)), 1, 0, fixed=True),
    nn.cross_entropy: lambda rng, batch: ids(rng, batch, 2),
}


def mean_loss(loss, x, targets, lengths):
    """The mean over the steps within the lengths, times their number; and the sum over all steps."""
    ys = TO_MANY(x, lengths)
    losses = loss(ys, targets, reduction="none")
    losses = losses if losses.ndim == 2 else losses.sum(-1)
    count = losses.size if lengths is None else sum(lengths)
    within = nn.mean_within(losses, lengths) * float(count)
    return summed([within] if lengths is not None else [within, loss(ys, targets, reduction="sum")])


for loss, targets in LOSSES.items():
    MODELS[f"loss: {loss.__name__}"] = Model(
        lambda rng, batch, targets=targets: [xs(rng, batch, I), targets(rng, batch)],
        lambda given, lengths, loss=loss: mean_loss(loss, *given, lengths),
        [TO_MANY],
    )

# --- layers, functions of a memory, and gradients through time -------------------------------------------

MODELS |= {
    "linear": of_layer(nn.Linear(I, C, **options()), I),
    "layer norm": of_layer(nn.LayerNorm(I, dtype=np.float64), I),
    "shortcut": of_layer(nn.Shortcut(nn.Linear(I, I, **options()), ts.tanh), I),
    "positions": of_layer(nn.Positions(), I),
    "memory": Model(
        lambda rng, batch: [
            vectors(rng, batch, 5, 4),
            Part(rng.dirichlet(np.ones(5), (batch, 2))),
            vectors(rng, batch, 2, 4),
            Part(rng.dirichlet(np.ones(3), (batch, 2))),
            Part(1 + rng.random((batch, 2, 1))),
        ],
        lambda given, _: of_rows(addressed(*given)),
        lengths=False,
    ),
    "gradient flow": Model(
        lambda rng, batch: [xs(rng, batch, I)],
        lambda given, _: flowing(*given),
        [LSTM],
        lengths=False,
    ),
}


def addressed(m, w, key, kernel, gamma):
    content = memory.content_addressing(m, key, gamma)
    w = memory.interpolation(content, w, gamma - 1)
    w = memory.sharpening(memory.circular_shift(w, kernel), gamma)
    return w, memory.read(m, w), memory.write(m, w, ts.sigmoid(key), key)


def flowing(x):
    flow = nn.gradient_flow(LSTM, x, lambda ys: (ys[-1] * ys[-1]).sum(), create_graph=True)
    penalty = nn.vanishing_penalty(flow, exact=True) * float(x.shape[1])
    return [*over_time(flow.norms()), *summed(penalty), *over_time(nn.step_jacobians(LSTM, x.detach()))]
