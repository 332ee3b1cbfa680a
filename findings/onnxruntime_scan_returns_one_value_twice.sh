#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU): a Scan whose body returns one value twice, as the next state and as an output, computes
# other numbers, without a message.
#
# Nothing in ONNX forbids it: onnx.checker accepts the file with full_check=True, and onnx's reference evaluator
# computes what the graph says. It is what one would write for a recurrent cell, whose output is its new state. In
# ONNX Runtime the state is then never updated: every step starts from a wrong state, and the final state is not that
# of the last step. With an Identity before one of the two, the results are right.
#
# Seen:   reference [5.125, 7.0] [[0.5, 2.0], [2.25, 4.0], [5.125, 7.0]]
#         runtime   [0.0, 0.0] [[0.5, 2.0], [2.0, 3.0], [4.0, 5.0]]; with an Identity as the reference
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def info(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def scan(second):
    """state' = state / 2 + x at every step, which is the output, too."""
    nodes = [
        helper.make_node("Mul", ["state", "half"], ["decayed"]),
        helper.make_node("Add", ["decayed", "x"], ["new"]),
        helper.make_node("Identity", ["new"], ["copy"]),
    ]
    body = helper.make_graph(nodes, "body", [info("state", 2), info("x", 2)], [info("new", 2), info(second, 2)])
    node = helper.make_node("Scan", ["start", "xs"], ["last", "ys"], num_scan_inputs=1, body=body)
    inputs, outputs = [info("start", 2), info("xs", None, 2)], [info("last", 2), info("ys", None, 2)]
    half = numpy_helper.from_array(np.float32(0.5), "half")
    graph = helper.make_graph([node], "graph", inputs, outputs, [half])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


given = {"start": np.array([1, 2], np.float32), "xs": np.arange(6, dtype=np.float32).reshape(3, 2)}
print(*(x.tolist() for x in ReferenceEvaluator(scan("new")).run(None, given)))
for second in ("new", "copy"):
    session = onnxruntime.InferenceSession(scan(second).SerializeToString(), providers=["CPUExecutionProvider"])
    print(*(x.tolist() for x in session.run(None, given)))
PYTHON
)
echo "$seen"
[ "$seen" = "[5.125, 7.0] [[0.5, 2.0], [2.25, 4.0], [5.125, 7.0]]
[0.0, 0.0] [[0.5, 2.0], [2.0, 3.0], [4.0, 5.0]]
[5.125, 7.0] [[0.5, 2.0], [2.25, 4.0], [5.125, 7.0]]" ]
