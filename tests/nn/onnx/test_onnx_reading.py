"""Files of ONNX as modules: recurrent nodes become our cells, which compute what ONNX Runtime computes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from exported import WITH_LENGTHS, Exported, assert_same, exported, ours, sequences
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import tinygrad_seq as ts
from tinygrad_seq import nn

pytestmark = [pytest.mark.exchange, pytest.mark.host("files of ONNX are written and run on the host")]


I, H, T, B = 3, 5, 6, 4  # noqa: E741
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
F32 = np.float32
KINDS = {
    "RNN": ("RNN", {}, nn.RNNCell),
    "RNN relu": ("RNN", {"activations": ["Relu"]}, nn.RNNCell),
    "GRU": ("GRU", {"linear_before_reset": 0}, nn.GRUCell),
    "GRU reset after": ("GRU", {"linear_before_reset": 1}, nn.ResetAfterGRUCell),
    "LSTM": ("LSTM", {}, nn.LSTMCell),
    "LSTM peepholes": ("LSTM", {"P": True}, nn.PeepholeLSTMCell),
    "LSTM coupled": ("LSTM", {"input_forget": 1}, nn.CoupledLSTMCell),
}


def file_of(folder, nodes, constants, inputs, outputs, opset=18):
    """A file of these nodes; of inputs and outputs the dtype and the rank are given, by name."""

    def infos(given):
        kinds = {name: helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) for name, (dtype, _) in given.items()}
        return [helper.make_tensor_value_info(name, kinds[name], [None] * given[name][1]) for name in given]

    arrays = [numpy_helper.from_array(np.asarray(x), name) for name, x in constants.items()]
    graph = helper.make_graph(nodes, "graph", infos(inputs), infos(outputs), arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, folder / "file.onnx")
    return folder / "file.onnx"


def recurrent(kind, direction, folder, bias=True, state=True, **more):
    """A file with one recurrent node, whose weights are random."""
    op, attributes, _ = KINDS[kind]
    attributes = {**attributes, **more}
    peepholes, count = attributes.pop("P", False), 2 if direction == "bidirectional" else 1
    if "activations" in attributes:
        attributes["activations"] = attributes["activations"] * count
    rng = np.random.default_rng(0)
    width = GATES[op] * H
    sizes = {"W": (count, width, I), "R": (count, width, H), "B": (count, 2 * width), "P": (count, 3 * H)}
    constants = {name: rng.uniform(-1, 1, size).astype(F32) for name, size in sizes.items()}
    states = ["h", "c"] if op == "LSTM" else ["h"]
    names = ["xs", "W", "R", "B" if bias else "", "lengths", *(states if state else [""] * len(states))]
    names += ["P"] if peepholes else []
    outputs = ["Y", "Y_h", "Y_c"][: 1 + len(states)]
    node = helper.make_node(op, names, outputs, direction=direction, hidden_size=H, **attributes)
    inputs = {"xs": (F32, 3), "lengths": (np.int32, 1), **{name: (F32, 3) for name in states if state}}
    constants = {name: x for name, x in constants.items() if name in names}
    ranks = {name: (F32, 4 if name == "Y" else 3) for name in outputs}
    return file_of(folder, [node], constants, inputs, ranks)


def given_to(path, count, state=True):
    rng = np.random.default_rng(1)
    given = {"xs": rng.normal(size=(T, B, I)).astype(F32), "lengths": np.array([T, 1, 4, 2], np.int32)}
    if state:
        names = [x.name for x in onnx.load(path).graph.input if x.name in ("h", "c")]
        given |= {name: rng.normal(size=(count, B, H)).astype(F32) for name in names}
    return given


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_recurrent_node_is_our_cell(kind, direction, tmp_path):
    path = recurrent(kind, direction, tmp_path)
    model, count = nn.from_onnx(path), 2 if direction == "bidirectional" else 1
    cells = [part for part in model.modules() if isinstance(part, nn.Cell)]
    assert [type(cell) for cell in cells] == [KINDS[kind][2]] * count
    given = given_to(path, count)
    assert_same(ours(model, given), Exported(path)(**given))
    assert [*model.layers] == ["Y"]


@pytest.mark.parametrize("kind", KINDS)
def test_without_biases_and_without_a_state(kind, tmp_path):
    path = recurrent(kind, "bidirectional", tmp_path, bias=False, state=False)
    given = given_to(path, 2, state=False)
    assert_same(ours(nn.from_onnx(path), given), Exported(path)(**given))


def test_a_row_of_length_0_keeps_its_state(tmp_path):
    """ONNX Runtime returns 0."""
    path = recurrent("LSTM", "forward", tmp_path)
    given = given_to(path, 1)
    given["lengths"][1] = 0
    _, h, c = ours(nn.from_onnx(path), given)
    np.testing.assert_array_equal(h[0, 1], given["h"][0, 1])
    np.testing.assert_array_equal(c[0, 1], given["c"][0, 1])
    assert (Exported(path)(**given)[1][0, 1] == 0).all()


def test_one_initial_state_of_two(tmp_path):
    path = recurrent("LSTM", "forward", tmp_path)
    proto = onnx.load(path)
    proto.graph.node[0].input[6] = ""
    del proto.graph.input[3]
    onnx.save(proto, path)
    given = given_to(path, 1)
    assert given.keys() == {"xs", "lengths", "h"}
    assert_same(ours(nn.from_onnx(path), given), Exported(path)(**given))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_go_out_and_come_back_as_they_were(kind, tmp_path):
    rng = np.random.default_rng(0)
    _, attributes, make = KINDS[kind]
    options = {"activation": "relu"} if "activations" in attributes else {}
    model = nn.Layers(
        nn.Bidirectional(make(I, H, rng=rng, **options), make(I, 4, rng=rng, **options)),
        nn.Recurrent(make(9, 7, rng=rng, **options), reverse=True),
    )
    file = exported(model, WITH_LENGTHS, tmp_path / "rnn.onnx")
    read = nn.from_onnx(file.path)
    cells = [part for part in read.modules() if isinstance(part, nn.Cell)]
    before = [part for part in model.modules() if isinstance(part, nn.Cell)]
    for cell, own in zip(cells, before, strict=True):
        assert type(cell) is type(own)
        for name, array in own.state_dict().items():
            np.testing.assert_array_equal(cell.state_dict()[name], array, err_msg=name)
    assert [*read.layers] == [f"layers.{at}.cell.Y" for at in ("0.forward", "0.backward", "1")]
    assert [*read.weights] == []
    given = sequences(5, 3, lengths=True)
    assert_same(ours(read, given), ours(model, given), rtol=1e-6, atol=1e-6)


def test_a_module_that_is_read_can_be_trained(tmp_path):
    model = nn.ManyToOne(nn.Linear(3, 6, rng=0), nn.Recurrent(nn.GRUCell(6, 5, rng=1)), nn.Linear(5, 2, rng=2))
    nn.to_onnx(model, WITH_LENGTHS, tmp_path / "model.onnx")
    read = nn.from_onnx(tmp_path / "model.onnx")
    given = sequences(5, 3, lengths=True)
    for each in (model, read):
        (each(**given) ** 2).sum().backward()
    assert {*read.weights} == {"features.weight", "features.bias", "readout.weight", "readout.bias"}
    for name, p in read.weights.items():
        part, _, leaf = name.partition(".")
        np.testing.assert_allclose(p.grad.numpy(), getattr(getattr(model, part), leaf).grad.numpy(), 1e-4, 1e-6)
    (cell,) = [part for part in read.modules() if isinstance(part, nn.Cell)]
    for name, p in cell.named_parameters():
        own = dict(model.runner.cell.named_parameters())[name]
        np.testing.assert_allclose(p.grad.numpy(), own.grad.numpy(), 1e-4, 1e-6)


# --- other nodes ------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(F32)
N = np.array([[7, -7, 5], [-5, 4, -4]], np.int64)
D = np.array([[2, 2, -3], [-3, 4, -4]], np.int64)
NODES = {  # those that the export does not write, or not in this form: op, inputs, attributes
    "ReduceMean": ("ReduceMean", [X, np.array([1, -1])], {"keepdims": 0}),
    "ReduceMean of all axes": ("ReduceMean", [X], {}),
    "Gemm": ("Gemm", [X[0], X[1], X[0, 0, :3]], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    "Gemm without c": ("Gemm", [X[0], X[1]], {"transA": 1}),
    "Flatten": ("Flatten", [X], {"axis": 2}),
    "Flatten all": ("Flatten", [X], {"axis": 0}),
    "LayerNormalization": ("LayerNormalization", [X, X[0, 0], X[1, 1]], {"epsilon": 1e-3}),
    "LayerNormalization of two axes": ("LayerNormalization", [X, X[0]], {"axis": 1}),
    "Clip": ("Clip", [X, F32(-0.5), F32(0.5)], {}),
    "Clip from below": ("Clip", [X, F32(-0.5)], {}),
    "Sum": ("Sum", [X, X[0], X[1]], {}),
    "Max of three": ("Max", [X, X[0], X[1]], {}),
    "Div of integers": ("Div", [N, D], {}),
    "Mod": ("Mod", [N, D], {}),
    "fmod": ("Mod", [N, D], {"fmod": 1}),
    "Pow": ("Pow", [np.abs(X), N[0, 0]], {}),
    "Softmax": ("Softmax", [X], {"axis": 1}),
    "Split in parts": ("Split", [X], {"axis": 2, "num_outputs": 2}),
    "Split with a rest": ("Split", [X], {"axis": 2, "num_outputs": 3}),
    "Squeeze": ("Squeeze", [X[:1]], {}),
    "Slice backwards": ("Slice", [X, np.array([-1]), np.array([-99]), np.array([2]), np.array([-2])], {}),
    "Slice of the first axes": ("Slice", [X, np.array([1, 0]), np.array([2, 2])], {}),
    "Pad": ("Pad", [X, np.array([0, 1, 0, 1, 0, 2]), F32(3)], {}),
    "TopK": ("TopK", [X, np.array([2])], {"axis": 1}),
    "Dropout": ("Dropout", [X], {}),
    "CumSum": ("CumSum", [X, np.array(1)], {}),
    "Reshape": ("Reshape", [X, np.array([0, -1, 2])], {}),
    "Expand": ("Expand", [X[:, :1], np.array([1, 3, 1])], {}),
    "ConstantOfShape": (
        "ConstantOfShape",
        [np.array([2, 3])],
        {"value": numpy_helper.from_array(np.array([7], F32))},
    ),
    "Trilu": ("Trilu", [X], {}),
    "ArgMax": ("ArgMax", [X], {"axis": 1, "keepdims": 0}),
    "Constant": ("Constant", [], {"value_floats": [1.0, 2.0]}),
}


@pytest.mark.parametrize("name", NODES)
def test_another_node_is_computed_as_by_the_runtime(name, tmp_path):
    op, arrays, attributes = NODES[name]
    given = {f"x{i}": np.asarray(x) for i, x in enumerate(arrays)}
    outputs = [f"z{i}" for i in range({"Split": attributes.get("num_outputs", 1), "TopK": 2}.get(op, 1))]
    node = helper.make_node(op, [*given], outputs, **attributes)
    made = ReferenceEvaluator(node, opsets={"": 18}).run(None, given)  # for the dtypes and ranks
    first = {name: x for name, x in given.items() if name == "x0"}
    constants = {name: x for name, x in given.items() if name != "x0"}
    specs = [
        {n: (x.dtype, x.ndim) for n, x in part.items()}
        for part in (first, dict(zip(outputs, made, strict=True)))
    ]
    path = file_of(tmp_path, [node], constants, *specs)
    assert_same(ours(nn.from_onnx(path), first), Exported(path)(**first), 1e-5, 1e-6)


def test_inputs_by_position_or_by_name_and_all_of_them(tmp_path):
    path = file_of(
        tmp_path,
        [helper.make_node("Sub", ["a", "b"], ["z"])],
        {},
        {"a": (F32, 1), "b": (F32, 1)},
        {"z": (F32, 1)},
    )
    model = nn.from_onnx(path)
    a, b = np.ones(2, F32), np.arange(2, dtype=F32)
    assert (
        model(a, b).numpy().tolist()
        == model(b=b, a=a).numpy().tolist()
        == model(a, b=b).numpy().tolist()
        == [1, 0]
    )
    for args, names in (((a,), {}), ((a, b), {"a": a}), ((a,), {"c": b}), ((a, b, a), {})):
        with pytest.raises(TypeError, match="needs the inputs a, b, got"):
            model(*args, **names)


# --- what cannot be read ----------------------------------------------------------------------------------


def test_all_nodes_that_cannot_be_read_are_listed(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("Tanh", ["y"], ["t"]),
        helper.make_node("LSTM", ["t", "W", "R"], ["", "h"], hidden_size=H, clip=1.0),
        helper.make_node("Det", ["h"], ["z"]),
    ]
    constants = {
        "w": np.ones((1, 1, 1), F32),
        "W": np.ones((1, 4 * H, I), F32),
        "R": np.ones((1, 4 * H, H), F32),
    }
    path = file_of(tmp_path, nodes, constants, {"x": (F32, 3)}, {"z": (F32, 3)})
    with pytest.raises(ValueError, match="cannot read 3 nodes") as error:
        nn.from_onnx(path)
    _, _, listed = str(error.value).partition(": ")
    assert listed.split("; ") == [
        "Conv (y): no function of ours",
        "LSTM (h): no cell of ours has clip=1.0",
        "Det (z): no function of ours",
    ]


@pytest.mark.parametrize(
    ("kind", "more", "match"),
    [
        ("LSTM", {"activations": ["Sigmoid", "Relu", "Tanh"]}, "no cell of ours has Sigmoid, Relu, Tanh"),
        ("GRU", {"activations": ["HardSigmoid", "Tanh"]}, "no cell of ours has Hardsigmoid, Tanh"),
        ("LSTM peepholes", {"input_forget": 1}, "input_forget, peepholes"),
        ("RNN", {"clip": 3.0}, "no cell of ours has clip=3.0"),
        ("GRU", {"layout": 1}, "no cell of ours has layout=1"),
    ],
)
def test_a_recurrent_node_of_another_kind(kind, more, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        nn.from_onnx(recurrent(kind, "forward", tmp_path, **more))


def test_weights_that_are_computed(tmp_path):
    nodes = [
        helper.make_node("Abs", ["V"], ["W"]),
        helper.make_node("RNN", ["x", "W", "R"], ["Y"], hidden_size=H),
    ]
    constants = {"V": np.ones((1, H, I), F32), "R": np.ones((1, H, H), F32)}
    with pytest.raises(ValueError, match=r"RNN \(Y\): its weights are computed: W"):
        nn.from_onnx(file_of(tmp_path, nodes, constants, {"x": (F32, 3)}, {"Y": (F32, 4)}))


def test_a_file_of_an_old_opset(tmp_path):
    path = file_of(
        tmp_path, [helper.make_node("Tanh", ["x"], ["z"])], {}, {"x": (F32, 1)}, {"z": (F32, 1)}, opset=12
    )
    with pytest.raises(ValueError, match="needs a file of opset 13 or later, got 12; convert it by"):
        nn.from_onnx(path)


def test_a_scan_in_two_directions(tmp_path):
    def body(xs):
        return ts.scan(lambda h, x: (h + x, h), xs[0], xs)[1]

    path = tmp_path / "scan.onnx"
    nn.to_onnx(body, {"xs": "float32[time, batch]"}, path)
    proto = onnx.load(path)
    (scan,) = [node for node in proto.graph.node if node.op_type == "Scan"]
    (directions,) = [a for a in scan.attribute if a.name == "scan_output_directions"]
    directions.ints[0] = 1
    onnx.save(proto, path)
    with pytest.raises(ValueError, match="a Scan needs one direction, and time as the first axis"):
        nn.from_onnx(path)


def test_a_file_that_pytorch_wrote():
    """By recorded/record.py: an embedding, an LSTM of two layers and directions, a GRU, an RNN, a norm."""
    path = Path(__file__).parent / "recorded" / "torch.onnx"
    model = nn.from_onnx(path)
    cells = [type(part) for part in model.modules() if isinstance(part, nn.Cell)]
    assert cells == [nn.LSTMCell] * 4 + [nn.ResetAfterGRUCell, nn.RNNCell]
    file = Exported(path)
    for steps, batch in ((7, 3), (5, 1), (1, 2)):
        given = {"ids": np.random.default_rng(steps).integers(0, 20, (steps, batch))}
        assert_same(ours(model, given), file(**given))
