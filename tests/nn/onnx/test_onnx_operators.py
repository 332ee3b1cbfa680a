"""Cells that are operators of ONNX: RNN, GRU and LSTM, with lengths, in both directions, at every size."""

import numpy as np
import onnx
import pytest
from exported import SIZES, WITH_LENGTHS, XS, Exported, assert_same, exported, ours, sequences
from onnx.reference import ReferenceEvaluator

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.nn.onnx.cells import computed
from tinygrad_seq.scan.recording.step import Step

pytestmark = [pytest.mark.exchange, pytest.mark.host("files of ONNX are written and run on the host")]


I, H = 3, 5  # noqa: E741
CELLS = {
    "RNN": (nn.RNNCell, "RNN"),
    "RNN relu": (nn.CELLS["rectified RNN"], "RNN"),
    "GRU": (nn.GRUCell, "GRU"),
    "GRU reset after": (nn.ResetAfterGRUCell, "GRU"),
    "LSTM": (nn.LSTMCell, "LSTM"),
    "LSTM peepholes": (nn.PeepholeLSTMCell, "LSTM"),
    "LSTM coupled": (nn.CoupledLSTMCell, "LSTM"),
}
LAYOUTS = {
    "forward": lambda cell: nn.Recurrent(cell(I, H)),
    "reverse": lambda cell: nn.Recurrent(cell(I, H), reverse=True),
    "both ways": lambda cell: nn.Bidirectional(cell(I, H), cell(I, 4)),
    "layers": lambda cell: nn.Layers(
        nn.Bidirectional(cell(I, H), cell(I, 4)), nn.Dropout(0.5), nn.Bidirectional(cell(9, H), cell(9, H))
    ),
}
COUNT = {"forward": 1, "reverse": 1, "both ways": 2, "layers": 4}


def network(kind, layout, **options):
    rng = np.random.default_rng(0)
    make, op = CELLS[kind]
    model = LAYOUTS[layout](lambda *sizes: make(*sizes, rng=rng, **options)).eval()
    return model, [op] * COUNT[layout]


@pytest.mark.parametrize("lengths", [False, True], ids=["full", "lengths"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", CELLS)
def test_outputs_and_final_states_are_ours_at_every_size(kind, layout, lengths, tmp_path):
    model, kinds = network(kind, layout)
    file = exported(model, WITH_LENGTHS if lengths else XS, tmp_path / "rnn.onnx")
    assert file.kinds == kinds
    for steps, batch in SIZES:
        given = sequences(steps, batch, lengths=lengths)
        assert_same(file(**given), ours(model, given))


@pytest.mark.parametrize("kind", CELLS)
def test_a_given_state_is_the_final_state_of_an_empty_row(kind, tmp_path):
    model, _ = network(kind, "forward")
    pair = CELLS[kind][1] == "LSTM"
    state = ("float32[batch, 5]",) * 2 if pair else "float32[batch, 5]"
    path = tmp_path / "rnn.onnx"
    nn.to_onnx(model, {**WITH_LENGTHS, "state": state}, path)
    given = sequences(4, 3, lengths=True)
    rng = np.random.default_rng(1)
    h = [rng.normal(size=(3, H)).astype(np.float32) for _ in range(1 + pair)]
    _, after = model(given["xs"], tuple(map(ts.tensor, h)) if pair else ts.tensor(h[0]), given["lengths"])
    names = ["state.0", "state.1"] if pair else ["state"]
    finals = Exported(path)(**given, **dict(zip(names, h, strict=True)))[1:]
    assert_same(finals, [part.numpy() for part in ts.tree.leaves(after)])
    for part, start in zip(finals, h, strict=True):
        np.testing.assert_array_equal(part[0], start[0])


def test_the_operator_alone_returns_0_for_an_empty_row(tmp_path):
    """The reason why the export adds nodes after the operator."""
    model, _ = network("LSTM", "forward")
    file = exported(model, {**WITH_LENGTHS, "state": ("float32[batch, 5]",) * 2}, tmp_path / "rnn.onnx")
    (lstm,) = [node for node in file.nodes if node.op_type == "LSTM"]
    file.proto.graph.output.append(onnx.helper.make_tensor_value_info(lstm.output[1], 1, [1, "batch", H]))
    onnx.save(file.proto, tmp_path / "more.onnx")
    ones = np.ones((2, H), np.float32)
    given = {
        "xs": np.ones((4, 2, 3), np.float32),
        "lengths": np.array([0, 4]),
        "state.0": ones,
        "state.1": ones,
    }
    _, ours, _, theirs = Exported(tmp_path / "more.onnx")(**given)
    assert (ours[0] == 1).all()
    assert (theirs[0, 0] == 0).all()


@pytest.mark.parametrize("kind", CELLS)
def test_values_past_the_lengths_have_no_influence(kind, tmp_path):
    model, _ = network(kind, "both ways")
    file = exported(model, WITH_LENGTHS, tmp_path / "rnn.onnx")
    given = sequences(6, 3, lengths=True)
    before = file(**given)
    for row, length in enumerate(given["lengths"]):
        given["xs"][length:, row] = np.nan
    assert_same(file(**given), before, rtol=0, atol=0)


def test_lengths_out_of_range_are_refused_by_the_runtime(tmp_path):
    model, _ = network("GRU", "forward")
    file = exported(model, WITH_LENGTHS, tmp_path / "rnn.onnx")
    for lengths in ([2, 5], [-1, 2]):
        with pytest.raises(Exception, match="sequence_lens"):
            file(xs=np.ones((4, 2, 3), np.float32), lengths=np.array(lengths))


@pytest.mark.parametrize("layout", ["forward", "both ways"])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "GRU reset after", "LSTM", "LSTM peepholes"])
def test_float64_is_what_the_reference_evaluator_computes(kind, layout, tmp_path):
    """It has no lengths and no input_forget, and ONNX Runtime has no float64."""
    pytest.importorskip("onnx", "1.23", reason="the evaluator of onnx 1.17 has no directions and no Y_c")
    model, kinds = network(kind, layout, dtype=np.float64)
    path = tmp_path / "rnn.onnx"
    nn.to_onnx(model, {"xs": "float64[time, batch, 3]"}, path)
    proto = onnx.load(path)
    assert [node.op_type for node in proto.graph.node if node.op_type in ("RNN", "GRU", "LSTM")] == kinds
    for steps, batch in SIZES:
        given = {"xs": np.random.default_rng(steps).normal(size=(steps, batch, 3))}
        assert_same(ReferenceEvaluator(proto).run(None, given), ours(model, given), 1e-12, 1e-12)


def shapes(infos):
    return {x.name: [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] for x in infos}


def test_what_the_file_says(tmp_path):
    model, _ = network("LSTM peepholes", "both ways")
    file = exported(model, WITH_LENGTHS, tmp_path / "rnn.onnx")
    proto = file.proto
    shapes = {
        x.name: [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] for x in proto.graph.input
    }
    assert shapes == {"xs": ["time", "batch", 3], "lengths": ["batch"]}
    outputs = {
        x.name: [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] for x in proto.graph.output
    }
    assert outputs == {
        "output.0": ["time", "batch", 9],
        "output.1.0.0": ["batch", 5],
        "output.1.0.1": ["batch", 5],
        "output.1.1.0": ["batch", 4],
        "output.1.1.1": ["batch", 4],
    }
    assert [(x.domain, x.version) for x in proto.opset_import] == [("", 18)]
    assert (proto.producer_name, proto.producer_version) == ("tinygrad_seq", ts.__version__)
    assert {x.key: x.value for x in proto.metadata_props} == {"model": "Bidirectional"}
    weights = {name: x.shape for name, x in file.constants.items() if name.startswith(("forward", "backward"))}
    assert weights == {
        "forward.cell.W": (1, 20, 3),
        "forward.cell.R": (1, 20, 5),
        "forward.cell.B": (1, 40),
        "forward.cell.P": (1, 15),
        "backward.cell.W": (1, 16, 3),
        "backward.cell.R": (1, 16, 4),
        "backward.cell.B": (1, 32),
        "backward.cell.P": (1, 12),
    }


# --- what is recognised -----------------------------------------------------------------------------------


class OwnGRU(nn.GRUCell):
    """The equations of the GRU, in the words of a user."""

    def __call__(self, h, x):
        size = [2 * self.Wh.shape[0]]
        to_gates, to_n = ts.split(x @ self.Wx + self.b, size, axis=-1)
        w, v = ts.split(self.Wh, size, axis=-1)
        r, z = self.opened(to_gates + h @ w)
        new = (1 - z) * h + z * ts.tanh(to_n + (r * h) @ v)
        return new, new

    def opened(self, a):
        return ts.split(ts.sigmoid(a), 2, axis=-1)


class Other(OwnGRU):
    """Not the GRU: the gates change places."""

    def opened(self, a):
        return super().opened(a)[::-1]


@pytest.mark.parametrize(("cell", "kind"), [(OwnGRU, "GRU"), (Other, "Scan")])
def test_a_step_is_known_by_what_it_computes(cell, kind, tmp_path):
    model = nn.Recurrent(cell(I, H, rng=0))
    file = exported(model, WITH_LENGTHS, tmp_path / "rnn.onnx")
    assert file.kinds == [kind]
    given = sequences(5, 3, lengths=True)
    assert_same(file(**given), ours(model, given))


class Personal(nn.RNNCell):
    """An RNN with a bias for every row of the batch, which the operator cannot have."""

    def __init__(self, rows):
        super().__init__(I, H, rng=0)
        self.b = nn.Parameter(np.arange(rows * H, dtype=np.float32).reshape(rows, H) / 10)


def test_parameters_of_another_shape_are_not_the_cells(tmp_path):
    model = nn.Recurrent(Personal(3))
    file = exported(model, {"xs": "float32[time, 3, 3]"}, tmp_path / "rnn.onnx")
    assert file.kinds == ["Scan"]
    given = sequences(5, 3)
    assert_same(file(**given), ours(model, given))


class Masked(nn.Module):
    """A runner whose mask is not one of lengths: a row may pause."""

    def __init__(self):
        self.rnn = nn.Recurrent(nn.LSTMCell(I, H, rng=0))

    def __call__(self, xs, clock, limits):
        state = self.rnn.cell.initial_state(xs.shape[1], like=xs)
        mask = self.clock(clock) <= limits
        return ts.scan(self.rnn._masked, state, (xs, mask))[1]

    def clock(self, clock):
        return clock


class Summed(Masked):
    def clock(self, clock):
        return ts.cumsum(clock, 0)


class Raised(Masked):
    def clock(self, clock):
        return ts.ones_like(clock, shape=clock.shape) + clock


@pytest.mark.parametrize("model", [Masked(), Summed(), Raised()], ids=["given", "summed", "raised"])
def test_a_mask_that_is_not_of_lengths_is_not_taken_for_lengths(model, tmp_path):
    file = exported(model, {**XS, "clock": "int64[time, 1]", "limits": "int64[batch]"}, tmp_path / "rnn.onnx")
    assert file.kinds == ["Scan"]
    given = {
        **sequences(6, 3),
        "clock": np.array([[3], [-2], [1], [4], [-5], [1]]),
        "limits": np.array([3, 1, 2]),
    }
    assert_same(file(**given), ours(model, given))


def test_metadata_are_a_part_of_what_a_step_computes():
    def key(shift):
        zeros = ts.zeros((2, 3))
        return computed(Step(lambda h, x: (ts.roll(h, shift, 1), x), zeros, zeros[None]).program)[0]

    assert key(1) == key(1)
    assert key(1) != key(2)


class Scaled(nn.Module):
    """An LSTM whose recurrent weights are computed."""

    def __init__(self):
        self.cell, self.scale = nn.LSTMCell(I, H, rng=0), nn.Parameter(np.full(1, 0.5, np.float32))

    def __call__(self, xs):
        return nn.runners.recurrent_dropout.with_weights(nn.Recurrent(self.cell), lambda w: w * self.scale)(xs)


def test_weights_that_are_computed_are_computed_in_the_file(tmp_path):
    file = exported(Scaled(), XS, tmp_path / "rnn.onnx")
    assert file.kinds == ["Scan"]
    assert "scale" in file.constants
    given = sequences(5, 3)
    assert_same(file(**given), ours(Scaled(), given))


def test_weights_that_are_shared_are_in_the_file_once(tmp_path):
    cell = nn.LSTMCell(I, H, rng=0)
    model = nn.Bidirectional(cell, cell)
    file = exported(model, XS, tmp_path / "rnn.onnx")
    assert file.kinds == ["LSTM", "LSTM"]
    assert len([x for x in file.constants.values() if x.ndim == 3]) == 2
    given = sequences(5, 3)
    assert_same(file(**given), ours(model, given))
