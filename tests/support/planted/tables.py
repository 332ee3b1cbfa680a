"""Mutants of the tables of other libraries, and of the notation in which they are written."""

from planted import mutants

NOTATION, TABLES = "nn/exchange/test_notation.py", "nn/exchange/test_tables.py"
RECORDED, CHAINER, TORCH = (f"nn/exchange/test_{name}_weights.py" for name in ("recorded", "chainer", "torch"))

MUTANTS = [
    *mutants(
        "nn/exchange/notation.py",
        f"{NOTATION} {TABLES}",
        ("Pair.value", "self.block.sign * sum", "sum"),
        ("Pair.value", "value + self.block.shift if self.block.shift else value", "value"),
        ("Pair.value", "start=self.ours[0])", "start=0 * self.ours[0])"),
        ("Pair.value", "if self.added or not self.ours:", "if not self.ours:"),
        ("_pairs", "for gate in block.gates:", "for gate in block.gates[:1]:"),
        ("Pair.read", "ours += self.block.sign * self.theirs", "ours += self.theirs"),
        ("Pair.read", "ours += self.block.sign * self.theirs", "ours[...] = self.block.sign * self.theirs"),
        ("Pair.read", "(self.theirs - self.block.shift)", "self.theirs"),
        ("Pair.read", "(self.theirs - self.block.shift)", "(self.theirs + self.block.shift)"),
        ("Pair.read", "ours[...] = self.block.sign * (", "ours[...] = ("),
        ("Pair.read", "if i == 0 else 0", ""),
        ("_part", '-1 if m["minus"] else 1', "1"),
        ("_part", "words[0].isalpha()", "False"),
        ("pairs", "view.T if part.transposed else view", "view"),
        ("pairs", "top += height", "top = height"),
        ("_pairs", "view[..., k::count]", "view[..., k * len(view) // count :]", f"{NOTATION} {CHAINER}"),
        ("_shape", "shape[::-1] if part.transposed else shape", "shape"),
    ),
    *mutants(
        "nn/exchange/given.py",
        TABLES,
        ("flat", "if not re.search(unread, name)}", "}"),
        ("_leaves", "(*path, key)", "(key,)"),
        ("_leaves", 'r"[^./]+"', 'r"[^/]+"'),
        ("_leaves", "elif tree is not None:", "else:"),
        ("_is_list", " and not isinstance(part, np.generic)", ""),
        ("without_prefix", "all(len(path) > shared + 1 and", "all("),
        ("without_prefix", "range(shared + 1)", "range(1)"),
    ),
    *mutants(
        "nn/exchange/places.py",
        f"{TABLES} {RECORDED} {TORCH}",
        ("places", "kinds[type(cell)] += 1", "pass"),
        ("places", "direction if len(level) == 2 else None", "direction"),
        ("levels_of", "module.forward.cell, module.backward.cell", "module.backward.cell, module.forward.cell"),
        ("levels_of", "if reverse or not module.reverse", "if True"),
        ("levels_of", "input_to_all=False, all_to_output=False", "input_to_all=False"),
    ),
    *mutants(
        "nn/exchange/tensorflow.py",
        RECORDED,
        ("", "Wx i g f o; Wh i g f o", "Wx i f g o; Wh i f g o"),
        ("", "b i g f-1 o", "b i g f o"),
    ),
    *mutants("nn/exchange/mlx.py", RECORDED, ("", "b+bh r z, b n", "b+bh z r, b n")),
    *mutants("nn/exchange/chainer.py", CHAINER, ("", "Wh' gifo", "Wh' igfo")),
]  # fmt: skip
