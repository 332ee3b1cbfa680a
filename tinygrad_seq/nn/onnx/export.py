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
    program, kind = found.program, getattr(model, "__name__", type(model).__name__)
    g = Graph({size: name for name, size in found.free.items()})
    g.taken.update(x.name for x in found.inputs)
    g.taken.update(found.outputs)
    for v, given in zip(program.inputs, found.inputs, strict=True):
        spec = program.values[v]
        g.env[v] = g.has(Array(given.name, spec.shape, spec.dtype))
    writer = Writer({id(t): name for name, t in model.named_tensors()} if isinstance(model, Module) else {})
    writer.write(g, program, found.captured)
    if problems := writer.problems:
        raise NotImplementedError(
            f"to_onnx has no form in ONNX for {len(problems)} operations of {kind}: {'; '.join(problems)}"
        )
    made = zip(program.outputs, found.outputs, strict=True)
    outputs = [g.returns(g.env[v], name) for v, name in made]
    graph = g.proto(kind, [g.info(g.env[v]) for v in program.inputs], [g.info(x) for x in outputs])
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="tinygrad_seq",
        producer_version=__version__,
    )
    helper.set_model_props(proto, {"model": kind})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
