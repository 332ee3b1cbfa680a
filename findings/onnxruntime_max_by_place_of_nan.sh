#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU): whether ReduceMax and ReduceMin of numbers with a NaN are NaN depends on its place.
#
# NumPy, PyTorch and onnx's reference evaluator return NaN wherever it is. In ONNX Runtime a NaN in the first place
# makes the result NaN, and one in another place is left out, in silence: a network that has overflowed looks healthy
# after a max over time. The op Max, of two arrays, returns NaN in either place.
#
# Seen:   max of [nan, 1, 0], [1, nan, 0], [1, 0, nan]: nan 1.0 1.0; min: nan 0.0 0.0; NumPy: nan
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

nan = float("nan")


def model(op):
    x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [3]), ("z", [])))
    graph = helper.make_graph([helper.make_node(op, ["x"], ["z"], keepdims=0)], "graph", [x], [z])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


for op in ("ReduceMax", "ReduceMin"):
    session = onnxruntime.InferenceSession(model(op).SerializeToString(), providers=["CPUExecutionProvider"])
    reference = ReferenceEvaluator(model(op))
    for run in (reference, session):
        rows = np.array([[nan, 1, 0], [1, nan, 0], [1, 0, nan]], np.float32)
        print(*(float(run.run(None, {"x": x})[0]) for x in rows))
PYTHON
)
echo "$seen"
[ "$seen" = "nan nan nan
nan 1.0 1.0
nan nan nan
nan 0.0 0.0" ]
