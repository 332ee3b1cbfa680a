"""Mutants of the files of ONNX: what is recorded, what is written, and what is read."""

from planted import mutants

OPERATORS, STEPS, FORMS, SIZES, REFUSALS, READING = (
    f"nn/onnx/test_onnx_{name}.py" for name in ("operators", "steps", "forms", "sizes", "refusals", "reading")
)

MUTANTS = [
    *mutants(
        "nn/onnx/sizes.py",
        SIZES,
        ("", "(7, 19, 9)", "(7, 13, 9)"),
        ("Size.line", "return (c, d) if all(", "return (c, d) if any("),
        ("merged", "int(first) if len(set(values)) == 1 else Size(values)", "int(first)"),
        ("merged", "and not isinstance(first, bool)", ""),
    ),
    *mutants(
        "nn/onnx/recorded.py",
        REFUSALS,
        ("one_program", "if len(set(counts)) > 1:", "if False:"),
        ("one_program", "if len({call.op for call in calls}) > 1:", "if False:"),
        ("one_value", "if any(not equal(array, arrays[0]) for array in arrays):", "if False:"),
        ("Given.array", '0.5 if self.dtype.kind == "f" else 0', "1", STEPS),
    ),
    *mutants(
        "nn/onnx/cells.py",
        OPERATORS,
        ("leaves_the_loop", "known(program) is None", "True"),
        ("computed", "given = tuple(program.values[v] for v in number if v not in made)", "given = ()"),
        ("computed", "hashable(call.meta)", "()"),
    ),
    *mutants(
        "nn/onnx/graph.py",
        STEPS,
        ("Graph.nodes_of", "key = kind, *inputs, repr(sorted(attributes.items()))", "key = kind, *inputs"),
        ("Graph.returns", 'helper.make_node("Identity", [x.name], [name])', "self.nodes.pop()"),
        ("Graph.proto", "if not needed.isdisjoint(node.output):", "if True:"),
    ),
    *mutants(
        "nn/onnx/writing.py",
        OPERATORS,
        ("Writer._operator", "if lengths:  #", "if False:  #"),
        ("Writer._operator", "(mask and lengths is None) or any(", "any("),
        ("Writer._operator", '"reverse" if loop.reverse else "forward"', '"forward"'),
        ("Writer._lengths", 'case Made("cumsum", [ones], {"axis": 0}):', "case Made(_, [ones, *_]):"),
        ("Writer._scan", "scan_output_directions=[int(loop.reverse)]", "scan_output_directions=[0]", STEPS),
        ("Writer._scan", "g.nodes_of(", "body.nodes_of(", STEPS),
    ),
    *mutants(
        "nn/onnx/export.py",
        STEPS,
        ("export", "g.taken.update(found.outputs)", "pass"),
        ("", "OPSET, IR = 18, 8", "OPSET, IR = 19, 9", OPERATORS),
    ),
    *mutants(
        "nn/onnx/forms.py",
        FORMS,
        ("log1p", 'z = g.node("Where", g.node("IsInf", x), log, z)', "pass"),
        ("log1p", 'return g.node("Where", small, x, z)', "return z"),
        ("remainder", 'g.node("Add", rest, y), rest)', "rest, rest)"),
        ("valid_index", 'bad, g.constant(call.meta["count"], x.dtype), x.name)', "bad, x.name, x.name)", STEPS),
        ("slices", "(LAST, FIRST) for step", "(LAST, 0) for step"),
        ("gathered", "*range(rank, rank + before), *range(rank),", "*range(rank + before),"),
        ("log_softmax", 'return nan_if(g, bad, x, call.meta["axis"], True, z)', "return z"),
        ("unmasked", "g.constant(masked, call.dtype)", "g.constant(np.nan, call.dtype)"),
        ("norm", 'top = g.node("Where", valid, top, one)', "top = one"),
        ("ordered", "largest=0", "largest=1"),
    ),
    *mutants(
        "nn/onnx/reading.py",
        READING,
        ("OnnxModel.__init__", "and x.ndim and name in read", "and name in read"),
        ("OnnxModel._scan", "reverse=refuse_turned(node)", "reverse=False", STEPS),
        ("refuse_turned", "if len(ways) > 1 or axes - {0}:", "if False:"),
        ("runner", "if name not in READ and value", "if False"),
        ("runner", 'reverse=node.get("direction") == "reverse"', "reverse=False"),
        ("recurrent", "np.split(ys, 1 + both, axis=-1), axis=1", "np.split(ys, 1 + both, axis=-1), axis=2"),
    ),
    *mutants(
        "nn/onnx/functions.py",
        READING,
        ("divide", "np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))", "x // y"),
        ("split", "[-(-n // parts)] * parts", "[n // parts] * parts"),
        ("gemm", 'node.get("beta") * c', "c"),
        ("layer_norm", 'node.get("epsilon", 1e-5)', "1e-5"),
        ("squeeze", "axis=axes_of(node, axes)", "axis=None", STEPS),
    ),
]  # fmt: skip
