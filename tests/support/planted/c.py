"""Mutants of the C expressions of primitives, and of the law about them."""

from planted import mutants

TEXTS = "scan/c/test_expressions.py"

MUTANTS = [
    *mutants(
        "engine/expression.py",
        TEXTS,
        ("checked", "unknown := sorted(names - FUNCTIONS - set(arguments))", "unknown := []"),
        ("checked", 'if kind == "unknown"', "if kind is None"),
        ("_nested", "if depth < 0:", "if depth < -1:"),
        ("_nested", "return depth == 0", "return depth >= 0"),
    ),
    *mutants(
        "engine/declaration.py",
        TEXTS,
        ("Declaration.c", "if not pointwise or self.many or self.metadata:", "if not pointwise or self.many:"),
        ("Declaration.c", "*self.signature.inputs, *self.signature.outputs", "*self.signature.outputs,"),
    ),
    *mutants(
        "scan/c/expressions.py",
        TEXTS,
        ("expression", "if name not in conditions]", "]"),
        ("expression", 'if dtype_out.kind == "b" else dtype_out', "if dtype_out.kind in 'bi' else dtype_out"),
        ("expression", "op.truth if op.truth and", "op.truth if"),
        ("expression", "if name in conditions else", "if False else"),
        ("_possible", "(common, *every)", "(common,)"),
        ("_possible", "result != np.bool_ or any(", "True or any("),
        ("_possible", "(REAL_FUNCTIONS | DIVISIONS)", "REAL_FUNCTIONS"),
        ("_possible", "(REAL_FUNCTIONS | DIVISIONS)", "DIVISIONS"),
        ("_possible", "and all(_holds(common, dtype) for dtype in operands)", ""),
        ("_converted", "and given == common", ""),
        ("_converted", "{_operand(x)}", "{x}"),
        ("_operand", "depth -= char in", "depth -= 0 * char in"),
        ("_spelled", 'before in "(," and after in "),"', 'after in "),"'),
        ("_spelled", "common == np.float32 and not part.isdigit()", "not part.isdigit()"),
        ("_typed", "dtype.itemsize < 4", "dtype.itemsize < 1"),
        ("_typed", 'dtype.kind == "f" and not', "not"),
    ),
    *mutants(
        "testing/expressions.py",
        TEXTS,
        ("agreeing", "ALLOWED * np.finfo(z.dtype).eps", "ALLOWED * np.finfo(np.float16).eps"),
        ("agreeing", "np.signbit(z) == np.signbit(expected)", "True"),
        ("agreeing", "np.isfinite(expected), same, others", "True, same, others"),
    ),
]  # fmt: skip
