"""Every loop of the models that the package ships has a form in C; no C compiler is needed to see that."""

import numpy as np
import pytest
from combined import COMBINED

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.scan import emitters, over_time, scan
from tinygrad_seq.scan.c.expressions import expressible
from tinygrad_seq.scan.c.text import source
from tinygrad_seq.scan.groups.grouping import grouped
from tinygrad_seq.scan.groups.ways import assigned
from tinygrad_seq.scan.np.loop import Loop

CELLS = nn.CELLS | COMBINED
LENGTHS = [5, 2, 0]
C, E, V, END = 7, 3, 5, 1  # symbols, their embedding, the vector that is decoded, the symbol at the end


@pytest.fixture(autouse=True)
def written(monkeypatch):
    """The names of the loops whose C source is written; they run as NumPy, in the form that C has of them."""
    names = []

    def loop(program, saved=(), name="scan"):
        kept = tuple(dict.fromkeys([*program.outputs, *sorted(saved)]))
        source(grouped(assigned(program, kept, expressible)), name)
        names.append(name)
        return Loop(program, saved, name)

    monkeypatch.setattr(emitters, "C", emitters.C._replace(ready=loop))
    monkeypatch.setattr(emitters, "chosen", lambda: "c")
    monkeypatch.setattr(over_time, "PROGRAMS", type(over_time.PROGRAMS)())
    yield names
    assert names
    obstacles = [emitters.obstacle(made.program) for made in over_time.PROGRAMS.values()]
    assert not any(obstacles), obstacles


def inputs():
    return ts.tensor(np.random.default_rng(0).normal(size=(5, 3, E)).astype(np.float32), requires_grad=True)


def options():
    return {"rng": np.random.default_rng(0)}


def derive(results, model):
    """The gradients of all parameters, through all results that have any."""
    parts = [x for x in tree.leaves(results) if x.dtype.kind == "f"]
    loss = sum((x * x).sum() for x in parts)
    ts.grad(loss, [p for p in model.parameters() if p.requires_grad], zeros=True)


@pytest.mark.parametrize("name", CELLS)
def test_cells(name):
    """All steps, with lengths, backwards, truncated, and in segments."""
    cell, xs = CELLS[name](E, 4, **options(), dtype=np.float32), inputs()
    for runner in (nn.Recurrent(cell), nn.Recurrent(cell, reverse=True)):
        derive(runner(xs), runner)
        derive(runner(xs, lengths=LENGTHS), runner)
        derive(runner.summary(xs, lengths=LENGTHS), runner)
    for back in (1, 3):
        for made, _ in nn.Truncated(nn.Recurrent(cell), xs, back=back, every=1):
            assert made is not None
    derive(scan(cell, cell.initial_state(3, like=xs), xs, remat=2), cell)


@pytest.mark.parametrize("name", [name for name in CELLS if name != "adaptive"])
def test_gradients_of_each_sequence(name):
    """The loops of a batch of loops, by vmap, and their backward loops.

    Those of a loop in a loop, as in adaptive computation time, run as NumPy.
    """
    cell, xs = CELLS[name](E, 4, **options(), dtype=np.float32), inputs()

    def gradients(x):
        ys = scan(cell, cell.initial_state(1, like=x), x[:, None])[1]
        return ts.grad(sum((y * y).sum() for y in tree.leaves(ys)), list(cell.parameters()), zeros=True)

    ts.vmap(gradients, in_axes=1)(xs)


def test_adaptive_and_repeated_in_each_other():
    inner = nn.ACTCell(nn.LSTMCell(E + 2, 4, **options()), max_steps=3, **options())
    model = nn.Recurrent(nn.RepeatCell(nn.Mapped(inner, after=lambda made: made[0]), 2))
    derive(model(inputs()), model)


def test_dropout():
    """All kinds, in layers; masks are drawn before the loop."""
    both = nn.Bidirectional(nn.GRUCell(E, 4, **options()), nn.LSTMCell(E, 4, **options()))
    model = nn.Layers(
        nn.VariationalDropout(0.5, rng=0),
        nn.RecurrentDropout(both, 0.5, rng=0),
        nn.Dropout(0.5, rng=0),
        nn.RecurrentDropout(nn.Recurrent(nn.LSTMCell(8, 4, **options())), 0.5, rng=0),
    )
    derive(model(inputs()), model)
    derive(model(inputs(), lengths=LENGTHS), model)
    derive(model.eval()(inputs()), model)


def attention(score, kind):
    """An encoder-decoder with attention, whose decoder has 8 units, as many as the annotations have numbers."""
    embedding = nn.Embedding(C, E, **options())
    encoder = nn.Bidirectional(nn.GRUCell(E, 5, **options()), nn.LSTMCell(E, 3, **options()))
    parts = 2 if kind is nn.LSTMCell else 1
    decoder = nn.AttentionDecoder(
        embedding,
        kind(E + 8, 8, **options()),
        score(),
        nn.Linear(8 + 8, C, **options()),
        nn.Sequential(nn.Linear(3, parts * 8, **options()), ts.tanh),
        end=END,
    )
    return nn.EncoderDecoder(embedding, encoder, decoder)


def decoding(kind):
    """An encoder-decoder whose decoder is given one vector."""
    width = E + V if kind is nn.VectorAtEveryStep else E
    size = {nn.VectorAsFirstInput: E, nn.VectorAtEveryStep: V, nn.VectorAsState: 8}[kind]
    embedding = nn.Embedding(C, E, **options())
    cell, bridge = nn.LSTMCell(width, 4, **options()), nn.Linear(V, size, **options())
    decoder = kind(embedding, cell, nn.Linear(4, C, **options()), bridge=bridge, end=END)
    return nn.EncoderDecoder(embedding, nn.Recurrent(nn.GRUCell(E, V, **options())), decoder)


MODELS = {
    "additive score": lambda: attention(lambda: nn.AdditiveScore(8, 8, 6, **options()), nn.GRUCell),
    "general score": lambda: attention(lambda: nn.GeneralScore(8, 8, **options()), nn.LSTMCell),
    "dot score": lambda: attention(nn.DotScore, nn.RNNCell),
    "scaled dot score": lambda: attention(nn.ScaledDotScore, nn.LSTMCell),
    "vector as first input": lambda: decoding(nn.VectorAsFirstInput),
    "vector at every step": lambda: decoding(nn.VectorAtEveryStep),
    "vector as state": lambda: decoding(nn.VectorAsState),
}


@pytest.mark.parametrize("name", MODELS)
def test_decoders(name):
    """Losses, and what they write; only beam search sorts, which C does not."""
    model = MODELS[name]()
    xs, ys = (np.random.default_rng(n).integers(0, C, (n, 3)) for n in (4, 5))
    derive(model.loss(xs, ys), model)
    derive(model.loss(xs, ys, [4, 1, 2], LENGTHS), model)
    derive(model.free(xs, 3), model)
    model.greedy(xs, 3)
    if isinstance(model.decoder, nn.AttentionDecoder):
        model.decoder.alignments(model.context(xs, [4, 1, 2]), ys)


def test_the_trace_of_a_machine():
    """The loop that returns what a Turing machine reads and writes."""
    nn.NTMCell(nn.GRUCell(E + 4, 5, **options()), 2, memory=(6, 4), writes=2, **options()).trace(inputs())


def test_gradients_of_states():
    nn.gradient_flow(nn.LSTMCell(E, 4, **options()), inputs(), lambda ys: (ys * ys).sum())
    nn.step_jacobians(nn.GRUCell(E, 4, **options()), inputs())
