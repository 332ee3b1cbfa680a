"""A recorded model as a file of ONNX."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import onnx
from onnx import helper

from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.onnx.graph import Array, Graph
from tinygrad_seq.nn.onnx.recorded import recorded
from tinygrad_seq.nn.onnx.writing import Writer
from tinygrad_seq.version import __version__

OPSET, IR = 18, 8  # of ONNX 1.13; ONNX Runtime has them since 1.14


def export(model: Callable[..., Any], inputs: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """`nn.to_onnx` says more."""
    found = recorded(model, inputs)
    program = found.program
    g = Graph({size: name for name, size in found.free.items()})
    names = {id(t): name for name, t in model.named_tensors()} if isinstance(model, Module) else {}
    g.taken.update(x.name for x in found.inputs)
    writer = Writer(names)
    for v, given in zip(program.inputs, found.inputs, strict=True):
        spec = program.values[v]
        g.env[v] = g.has(Array(given.name, spec.shape, spec.dtype))
    for v, x in found.captured.items():
        writer.captured(g, v, x, program)
    writer.write(g, program)
    if writer.problems:
        raise NotImplementedError(
            f"to_onnx has no form in ONNX for {len(writer.problems)} of the operations of "
            f"{type(model).__name__}: {'; '.join(writer.problems)}"
        )
    made = [g.env[v] for v in program.outputs]
    outputs = [x._replace(name=g.copy(x.name, name)) for x, name in zip(made, found.outputs, strict=True)]
    proto = helper.make_model(
        g.proto(
            type(model).__name__,
            [g.info(g.env[v].name, g.env[v]) for v in program.inputs],
            [g.info(x.name, x) for x in outputs],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="tinygrad_seq",
        producer_version=__version__,
    )
    helper.set_model_props(proto, {"model": type(model).__name__})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
