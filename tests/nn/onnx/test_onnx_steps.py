"""Any step as a Scan, and whole models: the file computes what the model does at every size."""

import numpy as np
import pytest
from exported import SIZES, WITH_LENGTHS, XS, assert_same, exported, ours, sequences

import tinygrad_seq as ts
from tinygrad_seq import nn

pytestmark = [pytest.mark.exchange, pytest.mark.host("files of ONNX are written and run on the host")]


OPERATORS = {"RNN", "rectified RNN", "LSTM", "peephole LSTM", "coupled LSTM", "GRU", "reset-after GRU"}
F32 = np.float32


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", [name for name in nn.CELLS if name not in OPERATORS])
def test_every_other_cell_is_a_scan(name, reverse, tmp_path):
    model = nn.Recurrent(nn.CELLS[name](3, 5, rng=0), reverse=reverse)
    file = exported(model, WITH_LENGTHS, tmp_path / "rnn.onnx")
    assert file.kinds == ["Scan"]
    for steps, batch in SIZES:
        given = sequences(steps, batch, lengths=True)
        expected = ours(model, given)
        assert_same(file(**given), expected)
        assert_same(ours(nn.from_onnx(file.path), given), expected)


class Leaky(nn.Cell):
    """A user's own cell: its state has two parts, its output, too."""

    def __init__(self):
        self.rate = nn.Parameter(np.full(3, 0.25, F32))

    def initial_state(self, batch, like):
        return ts.zeros_like(like, shape=(batch, 3)), ts.zeros_like(like, shape=(batch,))

    def __call__(self, state, x):
        h, count = state
        h = (1 - self.rate) * h + self.rate * x
        count = count + (h.sum(-1) > 0).astype(h.dtype)
        return (h, count), (h, count)


class Own(nn.Module):
    def __init__(self, function, *parts):
        self.function, self.parts = function, list(parts)

    def __call__(self, **inputs):
        return self.function(*self.parts, **inputs)


def attending(cell, score, xs, annotations):
    return nn.Recurrent(nn.Attending(cell, score, annotations))(xs)


def nested(xs):
    """For every step, a loop over all steps."""

    def step(total, x):
        last, ys = ts.scan(lambda h, r: (ts.tanh(h + r), h * r), total, xs[:, :, 0])
        return last + x[:, 0], ys.sum(0)

    return ts.scan(step, ts.zeros_like(xs[0, :, 0]), xs)


def counted(xs):
    """A loop without inputs, of as many steps as the sequence has."""
    return ts.scan(lambda h, _: (h * 0.5 + 1.0, h), xs[0], length=len(xs))


def learned(xs):
    """A step that takes a gradient: of a loss by its own state."""

    def step(h, x):
        y, pull = ts.vjp(lambda h: (ts.tanh(h) * x).sum(), h)
        (slope,) = pull(ts.ones_like(y))
        return h - 0.1 * slope, y

    return ts.scan(step, xs[0], xs)


def sizes(xs):
    """Numbers that are sizes, or computed from sizes, wherever an op takes them."""
    steps, batch, size = xs.shape
    flat = xs.reshape(steps * batch, size)
    return (
        xs.mean(0),
        xs.mean((0, 1)),
        flat.reshape(batch, steps, size),
        xs[1:].reshape(-1, size),
        xs[: steps // 1],
        xs[::2].sum(0),
        xs[::-2],
        xs[-1],
        xs[steps - 1],
        ts.flip(xs, 0),
        ts.roll(xs, (1, -2), (0, 1)),
        ts.concatenate([xs, xs])[: steps + 1],
        ts.ones_like(xs, shape=(batch, 2 * steps)),
        ts.broadcast_to(xs[0], (steps, batch, size)),
        ts.pad(xs, ((1, 0), (0, 0), (0, 2)), constant_values=7.0),
        ts.zeros((batch, 2)) + xs[0, :, :2],
    )


def models():
    """Models, with the inputs of each, and whether a loop of theirs is a Scan."""
    rng = np.random.default_rng(0)
    letters, score = nn.Embedding(27, 8, rng=rng), nn.AdditiveScore(16, 12, 10, rng=rng)
    bridge = nn.Sequential(nn.Linear(6, 16, rng=rng), ts.tanh)
    cell, readout = nn.GRUCell(8 + 12, 16, rng=rng), nn.Linear(16 + 12, 27, rng=rng)
    encoder = nn.Bidirectional(nn.GRUCell(8, 6, rng=rng), nn.GRUCell(8, 6, rng=rng))
    translator = nn.EncoderDecoder(letters, encoder, nn.AttentionDecoder(letters, cell, score, readout, bridge))
    lstm, linear = nn.Recurrent(nn.LSTMCell(3, 5, rng=rng)), nn.Linear(5, 4, rng=rng)
    annotations = {**XS, "annotations": "float32[batch, places, 6]"}
    pairs = {"xs": "int64[time, batch]", "targets": "int64[out, batch]", "lengths": "int64[batch]"}
    yield "a user's own cell", nn.Recurrent(Leaky()), WITH_LENGTHS, True
    yield "a nested loop", Own(nested), XS, True
    yield "a loop without inputs", Own(counted), XS, True
    yield "a gradient in a step", Own(learned), XS, True
    yield "sizes", Own(sizes), XS, False
    ntm = nn.NTMCell(nn.GRUCell(3 + 4, 5, rng=rng), 2, memory=(6, 4), writes=2, rng=rng)
    yield "NTM", nn.Recurrent(ntm), WITH_LENGTHS, True
    act = nn.ACTCell(nn.LSTMCell(3 + 1, 5, rng=rng), max_steps=6, rng=rng)
    yield "ACT", nn.Recurrent(act), WITH_LENGTHS, True
    parts = nn.GRUCell(3 + 6, 5, rng=rng), nn.AdditiveScore(5, 6, 7, rng=rng)
    yield "attention", Own(attending, *parts), annotations, True
    yield "translation", translator, pairs, True
    yield "a search", Own(lambda model, xs: model.greedy(xs, 6), translator), {"xs": pairs["xs"]}, True
    yield "stacked", nn.Recurrent(nn.Stacked(nn.LSTMCell(3, 5, rng=rng), nn.GRUCell(5, 4, rng=rng))), XS, True
    yield "a learned start", nn.Recurrent(nn.LearnedStart(nn.LSTMCell(3, 5, rng=rng))), WITH_LENGTHS, False
    yield "dropped", nn.RecurrentDropout(lstm, 0.5, rng=0), WITH_LENGTHS, False
    yield "many to one", nn.ManyToOne(nn.Shortcut(ts.tanh), lstm, linear), WITH_LENGTHS, False
    yield "many to many", nn.ManyToMany(nn.LayerNorm(3), lstm, linear), WITH_LENGTHS, False
    attention = nn.SelfAttention(6, heads=2, rng=rng)
    wide = nn.Sequential(nn.Linear(3, 6, rng=rng), nn.Positions())
    yield "self-attention", nn.Layers(wide, attention), WITH_LENGTHS, False
    yield "summary", Own(lambda rnn, **given: rnn.summary(**given), lstm), WITH_LENGTHS, False


MODELS = {name: rest for name, *rest in models()}


def given_to(inputs, steps, batch):
    """Values for the inputs of a model."""
    rng = np.random.default_rng([steps, batch])
    free = {"time": steps, "batch": batch, "places": 4, "out": steps + 2}
    given = {}
    for name, text in inputs.items():
        dtype, _, axes = text.rstrip("]").partition("[")
        shape = [free.get(axis) or int(axis) for axis in axes.split(", ")]
        if name == "lengths":
            given[name] = rng.integers(0, steps + 1, batch)
        else:
            given[name] = (
                rng.normal(size=shape).astype(F32) if dtype == "float32" else rng.integers(0, 27, shape)
            )
    return given


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_ours_at_every_size(name, tmp_path):
    model, inputs, loops = MODELS[name]
    file = exported(model.eval(), inputs, tmp_path / "model.onnx")
    assert ("Scan" in file.kinds) == loops
    for steps, batch in SIZES:
        if name == "sizes" and steps == 1:
            continue  # xs[1:] is empty
        given = given_to(inputs, steps, batch)
        expected = ours(model, given)
        assert_same(file(**given), expected)
        assert_same(ours(nn.from_onnx(file.path), given), expected)


def test_time_second(tmp_path):
    model = nn.Recurrent(nn.LSTMCell(3, 5, rng=0), batch_first=True)
    inputs = {"xs": "float32[batch, time, 3]", "lengths": "int32[batch]"}
    file = exported(model, inputs, tmp_path / "rnn.onnx")
    given = {"xs": sequences(4, 7)["xs"], "lengths": np.array([7, 0, 2, 5], np.int32)}
    assert_same(file(**given), ours(model, given))


def test_a_function_is_a_model_too(tmp_path):
    file = exported(
        lambda x, y: {"sum": x + y, "more": [x * y]},
        {"x": "float32[n]", "y": "float32[n]"},
        tmp_path / "f.onnx",
    )
    assert [x.name for x in file.proto.graph.output] == ["output.sum", "output.more.0"]
    total, product = file(x=np.array([1, 2], F32), y=np.array([3, 4], F32))
    assert total.tolist() == [4, 6]
    assert product.tolist() == [3, 8]


def test_an_output_has_its_name_whatever_else_has_it(tmp_path):
    class Named(nn.Module):
        def __init__(self):
            self.output = nn.Parameter(np.full(3, 2, F32))

        def __call__(self, xs):
            def step(output, x):
                output = ts.tanh(output + x * self.output)
                return output, output

            return ts.scan(step, xs[0], xs)[0]

    file = exported(Named(), XS, tmp_path / "model.onnx")
    assert [x.name for x in file.proto.graph.output] == ["output"]
    assert [name for name, x in file.constants.items() if x.shape == (3,)] == ["output_2"]
    given = sequences(4, 2)
    assert_same(file(**given), ours(Named(), given))


@pytest.mark.parametrize("bad", [27, -1])
def test_an_id_out_of_range_is_refused_by_the_runtime(bad, tmp_path):
    model = nn.Embedding(27, 4, rng=0)
    file = exported(model, {"ids": "int64[time, batch]"}, tmp_path / "ids.onnx")
    assert_same(file(ids=np.array([[26, 0]])), [model([[26, 0]]).numpy()])
    with pytest.raises(Exception, match=r"out of (data )?bounds"):
        file(ids=np.array([[0, bad]]))


def test_a_length_out_of_range_gives_nan_in_its_row(tmp_path):
    model = nn.Recurrent(Leaky())
    file = exported(model, WITH_LENGTHS, tmp_path / "rnn.onnx")
    ys, *_ = file(xs=np.ones((4, 3, 3), F32), lengths=np.array([4, 5, -1]))
    assert np.isnan(ys).all((0, 2)).tolist() == [False, True, True]
    assert not np.isnan(ys[:, 0]).any()


def test_equal_nodes_are_one(tmp_path):
    def model(xs):
        first, second = (ts.transpose(ts.exp(xs), axes) for axes in ((1, 0, 2), (2, 0, 1)))
        return first, second, ts.exp(xs)

    file = exported(model, XS, tmp_path / "f.onnx")
    assert [node.op_type for node in file.nodes] == ["Exp", "Transpose", "Transpose", *["Identity"] * 3]
    given = sequences(4, 2)
    assert_same(file(**given), ours(model, given))


def test_nothing_is_written_that_no_output_needs(tmp_path):
    model = Own(lambda rnn, xs: rnn(xs)[1], nn.Recurrent(nn.GRUCell(3, 5, rng=0)))
    file = exported(model, XS, tmp_path / "f.onnx")
    assert [name for name in file.constants if name.startswith("parts")] == [f"parts.0.cell.{w}" for w in "WRB"]
    read = {name for node in file.nodes for name in node.input}
    assert [node.op_type for node in file.nodes if read.isdisjoint(node.output)] == ["Identity"]


def test_a_table_of_one_row(tmp_path):
    """The placeholders for ids are 0, the only id that every table has."""
    file = exported(nn.Embedding(1, 4, rng=0), {"ids": "int64[n]"}, tmp_path / "ids.onnx")
    assert file(ids=np.zeros(3, int))[0].shape == (3, 4)
