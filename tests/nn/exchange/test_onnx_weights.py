"""Weights from and to the ONNX operators RNN, LSTM and GRU, run by ONNX Runtime."""

import numpy as np
import pytest
from exchanged import H2, STRUCTURES, B, H, I, T, both_ways, inputs, part_of, randomised, runner, same

from tinygrad_seq import nn

pytestmark = pytest.mark.exchange
KINDS = {  # the operator, its attributes, and our cell
    "RNN": ("RNN", {}, nn.RNNCell),
    "RNN relu": ("RNN", {"activations": ["Relu"]}, nn.CELLS["rectified RNN"]),
    "LSTM": ("LSTM", {}, nn.LSTMCell),
    "LSTM with P": ("LSTM", {}, nn.PeepholeLSTMCell),
    "LSTM with input_forget": ("LSTM", {"input_forget": 1}, nn.CoupledLSTMCell),
    "GRU": ("GRU", {"linear_before_reset": 0}, nn.GRUCell),
    "GRU with linear_before_reset": ("GRU", {"linear_before_reset": 1}, nn.ResetAfterGRUCell),
}


@pytest.fixture(scope="module")
def onnx():
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: weights of ONNX are not compared")
    return pytest.importorskip("onnx", reason="ONNX is not installed: its weights are not compared")


class Network:
    """A model of one node for each layer."""

    def __init__(self, kind, structure, direction="forward"):
        self.operator, self.attributes, _ = KINDS[kind]
        self.direction = "bidirectional" if structure.startswith("both") else direction
        self.sizes = [H, H2] if "two layers" in structure else [H]

    def assign(self, arrays):
        layers = range(len(self.sizes))
        self.layers = [part_of(arrays, f"{k}/" if len(self.sizes) > 1 else "") for k in layers]

    def weights(self):
        return self.layers if len(self.layers) > 1 else self.layers[0]

    def run(self, xs, lengths=None):
        states = []
        lengths = [T] * B if lengths is None else lengths
        for size, arrays in zip(self.sizes, self.layers, strict=True):
            y, *after = self.session(size, arrays).run(
                None, {"X": np.ascontiguousarray(xs), "lengths": np.array(lengths, np.int32)}
            )
            xs = y.transpose(0, 2, 1, 3).reshape(T, B, -1)
            states += [s[d] for d in range(y.shape[1]) for s in after]
        return xs, states

    def session(self, size, arrays):
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper

        attributes = dict(self.attributes)
        if self.direction == "bidirectional" and "activations" in attributes:
            attributes["activations"] = attributes["activations"] * 2
        names = ["X", "W", "R", "B" if "B" in arrays else "", "lengths", "", "", "P" if "P" in arrays else ""]
        outputs = ["Y", "Y_h", "Y_c"] if self.operator == "LSTM" else ["Y", "Y_h"]
        node = helper.make_node(
            self.operator,
            names if self.operator == "LSTM" else names[:5],
            outputs,
            hidden_size=size,
            direction=self.direction,
            **attributes,
        )
        graph = helper.make_graph(
            [node],
            "layer",
            [
                helper.make_tensor_value_info("X", TensorProto.FLOAT, [T, B, None]),
                helper.make_tensor_value_info("lengths", TensorProto.INT32, [B]),
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * (4 if name == "Y" else 3))
                for name in outputs
            ],
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_ways(onnx, kind, structure):
    both_ways("onnx", runner(KINDS[kind][2], structure), Network(kind, structure), inputs())


@pytest.mark.parametrize("structure", ["one", "both"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_unequal_length(onnx, kind, structure):
    """The state of an empty row is 0 in ONNX Runtime: ours too, since it starts from 0."""
    both_ways("onnx", runner(KINDS[kind][2], structure), Network(kind, structure), inputs(), [4, 0])


def test_in_reverse(onnx):
    theirs = Network("LSTM", "one", direction="reverse")
    both_ways("onnx", nn.Recurrent(nn.LSTMCell(I, H), reverse=True), theirs, inputs(), [4, 6])


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_the_operator(onnx, kind):
    """Both of its biases count, and what it does not use does not; without B, b is 0."""
    ours, theirs = runner(KINDS[kind][2], "both"), Network(kind, "both")
    arrays = nn.to_weights("onnx", randomised(ours))
    rng = np.random.default_rng(4)
    theirs.assign({name: rng.normal(size=a.shape, scale=0.5).astype(np.float32) for name, a in arrays.items()})
    same(nn.from_weights("onnx", theirs.weights(), ours), theirs, inputs())
    del theirs.layers[0]["B"]
    same(nn.from_weights("onnx", theirs.weights(), ours), theirs, inputs())
    assert nn.to_weights("onnx", ours, bias=False).keys() == theirs.weights().keys()


def test_two_directions_have_one_size():
    uneven = nn.Bidirectional(nn.LSTMCell(I, H), nn.LSTMCell(I, H2))
    with pytest.raises(
        TypeError, match=r"one kind and one size, got LSTMCell with Wh float32\[5,20\] and LSTMCell"
    ):
        nn.to_weights("onnx", uneven)
