"""Models exported to ONNX, checked, and run by ONNX Runtime."""

import numpy as np
import onnx
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn

RTOL, ATOL = 1e-5, 1e-5  # of float32: ONNX Runtime computes in another order
XS = {"xs": "float32[time, batch, 3]"}
WITH_LENGTHS = {**XS, "lengths": "int64[batch]"}
SIZES = [(1, 1), (1, 3), (5, 1), (5, 3), (17, 1), (17, 3)]  # T, B


class Exported:
    """A file: its graph, and how ONNX Runtime runs it."""

    def __init__(self, path):
        self.path = path
        self.proto = onnx.load(path)
        onnx.checker.check_model(self.proto, full_check=True)
        reason = "onnxruntime is not installed: what it computes from files of ONNX is not compared"
        onnxruntime = pytest.importorskip("onnxruntime", reason=reason)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # no warnings
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, **given):
        return self.session.run(None, given)

    @property
    def nodes(self):
        return list(self.proto.graph.node)

    @property
    def kinds(self):
        """The recurrent nodes, by op."""
        return [node.op_type for node in self.nodes if node.op_type in ("RNN", "GRU", "LSTM", "Scan")]

    @property
    def constants(self):
        return {x.name: onnx.numpy_helper.to_array(x) for x in self.proto.graph.initializer}


def exported(model, inputs, path):
    nn.to_onnx(model, inputs, path)
    return Exported(path)


def sequences(steps, batch, size=3, lengths=False):
    """Inputs xs, and lengths, the first of which is 0."""
    rng = np.random.default_rng([steps, batch])
    given = {"xs": rng.normal(size=(steps, batch, size)).astype(np.float32)}
    if lengths:
        given["lengths"] = rng.integers(0, steps + 1, batch)
        given["lengths"][0] = 0
    return given


def ours(model, given):
    """The results of our model, as a list of arrays."""
    return [y.numpy() for y in ts.tree.leaves(model(**{name: ts.tensor(x) for name, x in given.items()}))]


def assert_same(found, expected, rtol=RTOL, atol=ATOL):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol, atol)
