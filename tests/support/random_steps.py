"""Random programs with loops: text of Python, so that a failing one can be read and run.

A program is a function of a `loop`, scan or the Python loop, and of arrays. It is a list of statements, ending with
a loop; the step of a loop is again such a list, and may contain loops. While a program is written, its statements
are run on the values of the first step: a call that the library refuses is left out, and a value that has grown
goes through tanh, so that rounding errors do not grow either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from choices import Choices
from random_calls import DIFFERENTIABLE, NAMES, call, helpers

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.scan import unrolled
from tinygrad_seq.testing.differences import noise

SHAPES = [(2,), (), (2, 3), (3,), (1,), (1, 3), (3, 1), (2, 1, 3), (0,), (2, 0)]
PALETTES = [["f8"]] * 9 + [["f4"], ["f8", "f4"], ["f8", "f4"], ["f4", "f2"], ["f8", "f2"]]
TWINS = [("0.0", "-0.0"), ("-0.0", "0.0"), ("1", "True"), ("0.0", "0"), ("2", "2.0"), ("0", "False"), ("1", "2"), ("0.5", "1.5")]
MOST = 20.0  # a larger value goes through tanh
AWKWARD = ["None", "({0},)", "[{0}]", "{{'a': {0}}}"]  # forms that differ from {0}


@dataclass(frozen=True)
class Given:
    """An argument of a program: an array of this shape and dtype; `even` if its floats are whole numbers."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    gradient: bool
    even: bool = False

    def array(self, seed: int) -> np.ndarray:
        rng = np.random.default_rng([seed, int(self.name[1:])])
        if self.even:
            return rng.choice([0.0, 1.0, -1.0, -0.0, 2.0], self.shape).astype(self.dtype)
        if np.dtype(self.dtype).kind == "f":
            return np.asarray(noise(rng, self.shape, self.dtype))
        return rng.integers(0, 3, self.shape).astype(self.dtype)


@dataclass(frozen=True)
class Program:
    """A program: its text, its arguments, and what is special about it.

    refused   whether scan has to refuse it, where the Python loop may not
    honest    whether its derivative is the slope of its value: nothing in it stops a gradient
    """

    text: str
    given: tuple[Given, ...]
    seed: int
    refused: bool
    honest: bool
    traits: frozenset[str] = field(default=frozenset())

    @property
    def dtypes(self) -> list[str]:
        return [g.dtype for g in self.given]

    @property
    def plain(self) -> bool:
        """Whether NumPy can run it, and would give the same dtypes; the square of a boolean array is int8."""
        return not self.traits and not self.refused and "f2" not in self.dtypes and "**" not in self.text

    @cached_property
    def code(self):
        return compile(self.text, "<a random program>", "exec")

    def function(self, names: dict | None = None):
        """The program as a function of a loop and tensors; `names` replace those of the helpers."""
        env = HELPERS | (names or {})
        exec(self.code, env)
        return env["program"]

    def arrays(self, more: int = 0) -> list[np.ndarray]:
        """The arguments; others for another `more`."""
        return [g.array(self.seed + 1000 * more) for g in self.given]

    def __repr__(self) -> str:
        lines = [f"{g.name} = {g.dtype}{list(g.shape)}{' d' * g.gradient}{' even' * g.even}" for g in self.given]
        return "\n".join([self.text, "# " + ", ".join(lines) + f"; seed {self.seed}"])


def loop_of_one(step, init, xs=None, *, remat=None, **how):
    """The Python loop, for the values of the first step."""
    return unrolled(step, init, xs, **how)


HELPERS = {**helpers(ts), "leaves": tree.leaves, "loop": loop_of_one}
REFUSED = (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError, np.linalg.LinAlgError)
REFUSED = (*REFUSED, RuntimeError, AttributeError)


class Writer:
    """Writes a program, and runs it as it is written; it is the scope of the calls in `random_calls.py`.

    env     the value of every name, at the first step
    pool    the names that a statement may use, the newest last
    lines   the text so far
    """

    def __init__(self, choices: Choices, must: str | None = None, smooth: bool = False) -> None:
        self.choices, self.must = choices, must
        self.names = DIFFERENTIABLE if smooth else NAMES
        self.seed = choices.below(1000)
        self.palette = choices.one_of(PALETTES)
        self.env: dict = dict(HELPERS)
        self.lines: list[str] = []
        self.pool: list[str] = []
        self.given: list[Given] = []
        self.depth, self.count = 1, 0
        self.traits: set[str] = set()
        self.refused, self.honest = False, True
        self.twin: tuple[str, str] | None = None

    # --- what a call asks of its scope ---

    def shape(self, name: str) -> tuple[int, ...]:
        return np.shape(self.env[name])

    def tensor(self, like: str | None = None) -> str:
        """The name of a tensor; `like` is one that it has to broadcast with."""
        names = [n for n in self.pool if isinstance(self.env[n], ts.Tensor)]
        if like is not None:
            shape = self.shape(like)
            names = [n for n in names if broadcast(self.shape(n), shape)] or [like]
        if not names or (len(names) < 6 and not self.choices.below(6)):
            return self.argument(SHAPES[0] if like is None else self.shape(like))
        return self.recent(names)

    def hosts(self, like: str) -> list[str]:
        """The arrays of the host that broadcast with a tensor."""
        arrays = [n for n in self.pool if isinstance(self.env[n], np.ndarray)]
        return [n for n in arrays if broadcast(self.shape(n), self.shape(like))]

    def recent(self, names: list[str]) -> str:
        """One of the names, a late one more often."""
        return names[-1 - self.choices.below(1 + self.choices.below(len(names)))]

    # --- statements ---

    def new(self, letter: str = "v") -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def write(self, text: str) -> None:
        self.lines += ["    " * self.depth + line for line in text.split("\n")]

    def run(self, text: str) -> None:
        with np.errstate(all="ignore"):
            exec(text, self.env)

    def argument(self, shape: tuple[int, ...] | None = None, dtype: str | None = None) -> str:
        """A new argument of the program."""
        choices = self.choices
        shape = choices.one_of(SHAPES) if shape is None else shape
        kind = choices.below(12)
        dtype = dtype or (choices.one_of(self.palette) if kind < 10 else "i8" if kind == 10 else "?")
        real = np.dtype(dtype).kind == "f"
        given = Given(f"l{len(self.given)}", shape, dtype, real and choices.below(6) < 5, real and choices.chance(8))
        self.given.append(given)
        self.env[given.name] = ts.tensor(given.array(self.seed), requires_grad=given.gradient)
        self.pool.append(given.name)
        return given.name

    def assign(self, expression: str, before: str = "") -> list[str]:
        """A statement for the value, or values, of an expression; [] if it is refused or not usable.

        `before` opens a block around it.
        """
        try:
            with np.errstate(all="ignore"):
                made = eval(expression, self.env)
        except REFUSED:
            return []
        many = isinstance(made, (tuple, list))
        parts = list(made) if many else [made]
        if not parts or not all(map(usable, parts)):
            return []
        names = [self.new() for _ in parts]
        left = ", ".join(names) + ("," if many and len(names) == 1 else "")
        text = f"{left} = {expression}"
        for name, part in zip(names, parts, strict=True):
            if part.dtype.kind == "f" and part.size and np.abs(part._data).max() > MOST:
                text += f"\n{name} = ts.tanh({name})"
        if before:
            text = before + "\n" + "\n".join("    " + line for line in text.split("\n"))
        self.run(text)
        self.write(text)
        self.pool += names
        return names

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
        self.define(f"{name} = some({choices.one_of(SHAPES)}, {choices.one_of(['f8', *self.palette, 'i8', '?'])!r})")
        self.pool.append(name)

    def define(self, text: str) -> None:
        self.run(text)
        self.write(text)

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
        text = "\n".join(line[4 * self.depth :] for line in self.lines[start:])
        self.run(text)
        shape = f"some({self.shape(y)}, {str(self.env[y].dtype)!r})", f"some({self.shape(x)}, {str(self.env[x].dtype)!r})"
        grads = [f"ts.grad(ts.sum({f}({x})), {x}{more})" for more in (", create_graph=True", ", retain_graph=True") if x in leaves]
        how = choices.one_of(
            [
                *grads,
                f"ts.jvp({f}, ({x},), ({shape[1]},))[1]",
                f"ts.vjp({f}, {x})[1]({shape[0]})[0]",
                f"ts.hvp(lambda a: ts.sum(ts.sin({f}(a))), ({x},), ({shape[1]},))",
                f"ts.jvp({f}, ({x},), ({x},))[1]",
            ]
        )
        if "create_graph" not in how and "grad" in how:
            self.honest = False
        if not self.assign(how):
            del self.lines[start:]

    def loop(self, level: int) -> str | None:
        """A loop, whose step is a block; the name of its result."""
        choices, steps = self.choices, 1 + self.choices.below(3)
        start, given = len(self.lines), len(self.given)
        pool, env, traits = list(self.pool), dict(self.env), set(self.traits)
        carries = [] if choices.chance(4) else [self.carry(), *(self.carry() for _ in choices.many(2, 40))]
        inputs = [self.row_of(steps) for _ in choices.many(2, 60)]
        form, rows = tree_of(choices, len(carries)), tree_of(choices, len(inputs))
        step, c, x = self.new("step"), self.new("c"), self.new("x")
        init = filled(form, carries)
        xs = filled(rows, inputs)
        self.write(f"def {step}({c}, {x}):")
        self.depth += 1
        befores = [self.new() for _ in carries]
        firsts = [self.new() for _ in inputs]
        with np.errstate(all="ignore"):
            for name, text in [*zip(befores, carries, strict=True)]:
                value = eval(text, self.env)
                self.env[name] = value if isinstance(value, ts.Tensor) else ts.tensor(value)
            for name, text in zip(firsts, inputs, strict=True):
                value = eval(text, self.env)
                self.env[name] = (value if isinstance(value, ts.Tensor) else ts.tensor(value))[0]
        for names, whole in ((firsts, x), (befores, c)):
            if names:
                self.write(f"{', '.join(names)}, = leaves({whole})")
        hidden = [n for n in self.pool if not isinstance(self.env[n], ts.Tensor)]
        self.pool = [*pool, *(n for n in self.pool if n not in pool), *firsts, *befores]
        limit = 6 if level == 1 else 3
        if level == 1 and self.must:
            for _ in range(3):
                if self.assign(call(choices, self, [self.must])):
                    break
        for _ in choices.many(limit, 85):
            self.statement(level + 1)
        afters = [self.after(b) for b in befores]
        ys = [self.tensor() for _ in choices.many(3, 70)]
        back, out = filled(form, afters), filled(tree_of(choices, len(ys)), ys)
        refused = False
        if level == 1 and befores and choices.chance(3):
            refused, back = True, self.another_form(form, afters)
        self.write(f"return {back}, {out}")
        self.depth -= 1
        how = [f"length={steps}"] if choices.chance(20) or not inputs else []
        how += ["reverse=True"] if choices.chance(25) else []
        how += [f"remat={1 + choices.below(3)}"] if choices.chance(25) else []
        text = f"{init}, {xs}" + "".join(f", {part}" for part in how)
        body = "\n".join(line[4 * self.depth :] for line in self.lines[start:])
        added = [n for n in self.env if n in {g.name for g in self.given[given:]}]
        env.update({n: self.env[n] for n in added})
        self.env, self.pool = env, [*pool, *added]
        made = self.new("r")
        call_text = f"{made} = loop({step}, {text})"
        try:
            self.run(body)
            self.run(call_text)
        except REFUSED as error:
            del self.lines[start:]
            self.broken = error
            return None
        self.write(call_text)
        self.refused |= refused
        parts = tree.leaves(self.env[made])
        if level > 1 or choices.chance(50):
            names = [self.new() for _ in parts]
            if names:
                self.define(f"{', '.join(names)}, = leaves({made})")
                self.pool += [n for n, part in zip(names, parts, strict=True) if usable(part)]
        return made

    def carry(self) -> str:
        """The text of a carry before the first step."""
        kind = self.choices.below(10)
        if kind == 9:
            return self.choices.one_of(["0.5", "ts.tensor(0)", "0", "True", "np.float32(0.5)", "some((2,))"])
        return self.tensor() if kind < 6 else self.argument()

    def row_of(self, steps: int) -> str:
        """The text of an input: its first axis is time."""
        kind = self.choices.below(6)
        fits = [n for n in self.pool if self.shape(n)[:1] == (steps,)]
        if kind == 5:
            return f"some({(steps, *self.choices.one_of(SHAPES))})"
        if kind > 2 and fits:
            return self.recent(fits)
        if self.depth > 1 and kind > 0:
            return f"ts.stack([{', '.join([self.tensor()] * steps)}])"
        return self.argument((steps, *self.choices.one_of(SHAPES)))

    def after(self, before: str) -> str:
        """A carry after a step: a value like it, or one that is made to be like it."""
        was = self.env[before]
        alike = [
            n
            for n in self.pool
            if isinstance(self.env[n], ts.Tensor) and (self.env[n].shape, self.env[n].dtype) == (was.shape, was.dtype)
        ]
        kind = self.choices.below(8)
        if kind < 3:
            name = self.recent(alike)
            return name if kind or was.dtype.kind != "f" else f"ts.tanh({name})"
        if was.dtype.kind == "i" and kind == 3:
            return f"{before} + 1"
        dtype, x = str(was.dtype), self.tensor(like=before)
        if kind < 7 and was.dtype.kind == "f" and np.broadcast_shapes(self.shape(x), was.shape) == was.shape:
            return f"ts.astype(ts.tanh({before} + {x}), {dtype!r})"
        mean = f"ts.mean({x})" if np.size(self.env[x]._data) and self.env[x].dtype.kind != "b" else f"ts.sum({x})"
        return f"ts.astype(ts.broadcast_to(ts.tanh({mean}), {was.shape}), {dtype!r})"

    def another_form(self, form: str, afters: list[str]) -> str:
        """A carry in a form that is not the one before the step."""
        if "None" in form and self.choices.below(3):
            return filled(form.replace("None", self.tensor()), afters)
        i = self.choices.below(len(afters))
        kind = self.choices.below(5)
        if kind == 4:
            wrong = f"ts.stack([{afters[i]}, {afters[i]}])"
        else:
            wrong = AWKWARD[kind].format(afters[i])
        return filled(form, [*afters[:i], wrong, *afters[i + 1 :]])

    def program(self) -> Program:
        choices = self.choices
        for _ in choices.many(3, 40):
            self.argument()
        if choices.chance(10):
            self.twin = choices.one_of(TWINS)
            self.env["k"] = eval(self.twin[0])
        for _ in choices.many(3, 55):
            self.statement(1)
        result = None
        tries = 0
        while result is None and tries < 3:
            result = self.loop(1)
            tries += 1
        if result is None:
            self.pool = [g.name for g in self.given]
            self.define("r = ()")
            result = "r"
        kept = [n for n in self.pool if isinstance(self.env[n], ts.Tensor)] if choices.chance(30) else []
        body = "\n".join([*self.lines, f"    return {', '.join([result, *kept])}"])
        names = ", ".join(["loop", *(g.name for g in self.given)])
        if self.twin:
            inner = "\n".join("    " + line for line in body.split("\n"))
            text = f"def program({names}):\n    def twin(k):\n{inner}\n    return twin({self.twin[0]}), twin({self.twin[1]})"
        else:
            text = f"def program({names}):\n{body}"
        if "stop_gradient" in text:
            self.honest = False
        return Program(text, tuple(self.given), self.seed, self.refused, self.honest, frozenset(self.traits))


def usable(x) -> bool:
    """Whether a value can be used by later statements: small, and finite."""
    if not isinstance(x, ts.Tensor) or x.ndim > 4 or x.size > 100 or x.dtype.kind not in "fiub":
        return False
    return bool(np.isfinite(x._data).all() and (x.dtype.kind == "f" or np.all(np.abs(x._data) < 1e6)))


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or m == 1 or n == 1 for m, n in zip(a[::-1], b[::-1], strict=False))


def tree_of(choices: Choices, count: int) -> str:
    """The form of a random tree with `count` leaves: text with @0, @1, ... for the leaves."""

    def form(first: int, last: int) -> str:
        if last == first:
            return "None"
        if last - first == 1:
            return choices.one_of(["@{0}", "@{0}", "@{0}", "(@{0},)", "[@{0}, None]", "{{'a': @{0}}}"]).format(first)
        cut = first + 1 + choices.below(last - first - 1)
        left, right = form(first, cut), form(cut, last)
        return choices.one_of(["({0}, {1})", "[{0}, {1}]", "{{'b': {0}, 'a': {1}}}"]).format(left, right)

    return form(0, count)


def filled(form: str, names: list[str]) -> str:
    return re.sub(r"@(\d)", lambda found: names[int(found[1])], form)


def written(choices: Choices, must: str | None = None, smooth: bool = False) -> Program:
    """A random program; if `must` names a function, its step calls it."""
    return Writer(choices, must, smooth).program()
