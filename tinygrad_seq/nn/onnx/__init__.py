"""Models from and to files of ONNX, which other runtimes execute.

A model leaves by recording, as a step of `scan` does:

    sizes      a model is recorded with several sizes of its free axes; a number that differs is a size
    recorded   the recordings as one program
    cells      the cells that are operators of ONNX, recognised by what a loop computes
    graph      a graph of ONNX while it is written
    forms      one table: from our ops to nodes
    writing    a program as a graph; a loop as an operator, or as a Scan whose body is the step
    export     the file

and comes back by one table:

    functions  from nodes to our functions
    reading    the graph of a file as a module

The package onnx is imported when one of the functions is called, not before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_seq.nn.onnx.reading import OnnxModel


def to_onnx(model: Callable[..., Any], inputs: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write `model` as a file of ONNX, which is right at every number of steps and every size of the batch.

    model   a module, or a function of tensors, that returns a tensor or a tree of tensors
    inputs  the arguments that it is called with, by name: the dtype and shape of each, "float32[time, batch,
            3]", or a tree of them for a state. A name in a shape is an axis of any size; one name is one size.
            Lengths are an input like any other: "int64[batch]"
    path    of the file

    The model is called on placeholders, and what it computes becomes a graph (opset 18). The loop of an
    RNNCell, GRUCell, ResetAfterGRUCell, LSTMCell, PeepholeLSTMCell or CoupledLSTMCell becomes the operator RNN,
    GRU or LSTM, the loop of any other step a Scan. A leaf of a tree, of the inputs or of the outputs, is named
    by its path: state.0, output.0, output.1.0. Parameters keep their names, and those of a cell that is an
    operator are W, R, B and P, after the name of the cell. An id or a length that is out of range makes
    the runtime fail or gives NaN.

    Raises ValueError for a model that computes in another way at another size, as a Python loop over time does;
    TypeError for one that reads values of its inputs; RuntimeError for one that draws numbers, as dropout
    before `model.eval()`; NotImplementedError, which lists all of them, for ops that have no form in ONNX;
    ModuleNotFoundError without onnx.

    >>> import onnx, pathlib, tempfile
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LSTMCell(3, 5, rng=0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "rnn.onnx")
    ...     nn.to_onnx(rnn, {"xs": "float32[time, batch, 3]", "lengths": "int64[batch]"}, path)
    ...     graph = onnx.load(path).graph
    >>> "LSTM" in [node.op_type for node in graph.node], [output.name for output in graph.output]
    (True, ['output.0', 'output.1.0', 'output.1.1'])
    """
    refuse_without_onnx()
    from tinygrad_seq.nn.onnx.export import export

    export(model, inputs, path)


def from_onnx(path: str | os.PathLike[str]) -> OnnxModel:
    """The model in a file of ONNX, of opset 13 or later, as a module.

    It is called with the inputs of the graph, by position or by name, and returns its output, or a tuple of its
    outputs. The nodes RNN, GRU and LSTM are runners of our cells, `model.layers`, by the name of the node's
    first output; other weights are parameters, `model.weights`, by name. So the model can be trained. The state
    of a row of length 0 is its initial state.

    Raises ValueError, which lists all of them, for nodes that have no counterpart here, and for a file of an
    older opset; ModuleNotFoundError without onnx.

    >>> import numpy as np, pathlib, tempfile
    >>> from tinygrad_seq import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "rnn.onnx")
    ...     nn.to_onnx(nn.Recurrent(nn.GRUCell(3, 5, rng=0)), {"xs": "float32[time, batch, 3]"}, path)
    ...     model = nn.from_onnx(path)
    >>> model
    OnnxModel: 135 parameters
      layers.cell.Y: Recurrent: 135 parameters
        cell: GRUCell: 135 parameters
          Wx: float32[3,15]
          Wh: float32[5,15]
          b: float32[15]
    >>> ys, h = model(np.ones((7, 2, 3), np.float32))
    >>> ys.shape, h.shape
    ((7, 2, 5), (2, 5))
    """
    refuse_without_onnx()
    from tinygrad_seq.nn.onnx.reading import read

    return read(path)


def refuse_without_onnx() -> None:
    """ModuleNotFoundError that says how to install onnx, if it is not installed."""
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        error.add_note('nn.to_onnx and nn.from_onnx need onnx: pip install -e ".[onnx]"')
        raise
