"""Random programs with loops, written as text.

A program is a function of a `loop`, scan or the Python loop, and of arrays. It is a list of statements that
ends with a loop; the step of a loop is again such a list, and may contain loops. While a program is written,
its statements are run on the values of the first step: a call that the library refuses is left out, and a value
that has grown goes through tanh, so that rounding errors do not grow either.
"""

from __future__ import annotations

from choices import Choices
from loop_programs import Program
from random_calls import DIFFERENTIABLE, NAMES, call
from random_loops import Loops
from random_scope import SHAPES, indented

import tinygrad_seq as ts

TWINS = [
    ("0.0", "-0.0"), ("-0.0", "0.0"), ("1", "True"), ("0.0", "0"), ("2", "2.0"), ("0", "False"), ("1", "2"),
    ("0.5", "1.5"),
]  # fmt: skip


class Writer(Loops):
    """Writes a program; if it is `smooth`, all functions in it are differentiable."""

    def __init__(self, choices: Choices, must: str | None = None, smooth: bool = False) -> None:
        super().__init__(choices, must)
        self.names = DIFFERENTIABLE if smooth else NAMES
        self.traits: set[str] = set()
        self.honest = True

    def statement(self, level: int) -> None:
        kind = self.choices.below(20)
        if kind < 13 or level > 2:
            self.assign(call(self.choices, self, self.names))
        elif kind == 13:
            self.honest = False
            self.traits.add("no_grad")
            self.assign(call(self.choices, self, self.names), before="with ts.no_grad():")
        elif kind in (14, 15):
            self.loop(level)
        elif kind == 16:
            self.derivative()
        elif kind == 17:
            self.changed_array()
        elif kind == 18:
            self.array()
        elif self.twin is None:
            self.assign(f"ts.arctan2({self.tensor()}, -1.0)")  # it differs for 0.0 and -0.0
        else:
            self.assign(f"ts.arctan2(ts.pad({self.tensor()}, 1, constant_values=k), -1.0)")

    def array(self) -> None:
        """An array of the host."""
        name, choices = self.new("a"), self.choices
        self.define(
            f"{name} = some({choices.one_of(SHAPES)}, {choices.one_of(['f8', *self.palette, 'i8', '?'])!r})"
        )
        self.pool.append(name)

    def changed_array(self) -> None:
        """An array of the host is used and then changed."""
        self.traits.add("changed array")
        x, name = self.tensor(), self.new("a")
        self.define(f"{name} = some({self.shape(x)})")
        self.assign(f"{x} {self.choices.one_of('+*')} {name}")
        self.define(f"{name}{self.choices.one_of(['[...] = 0.5', ' += 1', ' *= 2'])}")
        self.pool.append(name)

    def derivative(self) -> None:
        """A function, and a derivative of it, taken at this place."""
        choices, f, a = self.choices, self.new("f"), self.new()
        leaves = [g.name for g in self.given if g.gradient]
        x = self.recent(leaves) if leaves and choices.chance(50) else self.tensor()
        if self.env[x].dtype.kind != "f":
            return
        self.traits.add("derivative")
        start, pool = len(self.lines), list(self.pool)
        self.write(f"def {f}({a}):")
        self.depth += 1
        self.env[a] = self.env[x]
        self.pool.append(a)
        for _ in choices.many(2):
            self.assign(call(choices, self, DIFFERENTIABLE))
        y = self.tensor() if choices.chance(30) else self.pool[-1]
        if not isinstance(self.env[y], ts.Tensor) or self.env[y].dtype.kind != "f":
            y = a
        self.write(f"return {y}")
        self.depth -= 1
        self.pool = pool
        self.run(self.since(start))
        dx, dy = (f"some({self.shape(z)}, {str(self.env[z].dtype)!r})" for z in (x, y))
        how = [
            f"ts.grad(ts.sum({f}({x})), {x}, create_graph=True)",
            f"ts.grad(ts.sum({f}({x})), {x}, retain_graph=True)",
            f"ts.jvp({f}, ({x},), ({dx},))[1]",
            f"ts.vjp({f}, {x})[1]({dy})[0]",
            f"ts.hvp(lambda a: ts.sum(ts.sin({f}(a))), ({x},), ({dx},))",
            f"ts.jvp({f}, ({x},), ({x},))[1]",
        ]
        expression = choices.one_of(how if x in leaves else how[2:])
        self.honest &= "retain_graph" not in expression
        if not self.assign(expression):
            del self.lines[start:]

    def program(self) -> Program:
        """Arguments, statements and a last loop."""
        choices = self.choices
        for _ in choices.many(3, 40):
            self.argument()
        if choices.chance(10):
            self.twin = choices.one_of(TWINS)
            self.env["k"] = eval(self.twin[0])
        for _ in choices.many(3, 70):
            self.statement(1)
        result = self.loop(1) or self.loop(1) or self.loop(1) or "()"
        kept = [n for n in self.pool if isinstance(self.env[n], ts.Tensor)] if choices.chance(30) else []
        body = "\n".join([*self.lines, f"    return {', '.join([result, *kept])}"])
        names = ", ".join(["loop", *(g.name for g in self.given)])
        if self.twin:
            first, second = self.twin
            body = f"    def twin(k):\n{indented(body)}\n    return twin({first}), twin({second})"
        text = f"def program({names}):\n{body}"
        honest = self.honest and "stop_gradient" not in text
        return Program(text, tuple(self.given), self.seed, self.refused, honest, frozenset(self.traits))


def written(choices: Choices, must: str | None = None, smooth: bool = False) -> Program:
    """A random program; if `must` names a function, its step calls it."""
    return Writer(choices, must, smooth).program()
