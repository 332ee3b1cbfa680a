"""Random loops, as text: their arguments, the trees that these form, and the step, a block of statements."""

from __future__ import annotations

import re

import numpy as np
from choices import Choices
from random_calls import call
from random_scope import REFUSED, SHAPES, Scope, usable

import tinygrad_seq as ts
from tinygrad_seq import tree

LEAVES = ["@{0}", "@{0}", "@{0}", "(@{0},)", "[@{0}, None]", "{{'a': @{0}}}"]  # trees of one leaf
PAIRS = ["({0}, {1})", "[{0}, {1}]", "{{'b': {0}, 'a': {1}}}"]
OTHERS = ["None", "({0},)", "[{0}]", "{{'a': {0}}}", "ts.stack([{0}, {0}])"]  # another form or shape than {0}


class Loops(Scope):
    """A scope in which loops are written.

    must     the name of a function that the step of every outer loop calls
    refused  whether a carry changes its form, which scan has to refuse
    """

    def __init__(self, choices: Choices, must: str | None) -> None:
        super().__init__(choices)
        self.must, self.refused = must, False

    def statement(self, level: int) -> None:
        """Write a statement, in the step of a loop at this level."""
        raise NotImplementedError

    def loop(self, level: int) -> str | None:
        """Write a loop, whose step is a block of statements; the name of its result, None if it is refused."""
        choices, steps = self.choices, 1 + self.choices.below(3)
        start, given = len(self.lines), len(self.given)
        pool, env, refused = list(self.pool), dict(self.env), self.refused
        carries = [] if choices.chance(4) else [self.carry(), *(self.carry() for _ in choices.many(2, 40))]
        inputs = [self.row_of(steps) for _ in choices.many(2, 60)]
        form, rows = tree_of(choices, len(carries)), tree_of(choices, len(inputs))
        init, xs = filled(form, carries), filled(rows, inputs)
        step = self.step(level, form, carries, inputs)
        how = [f"length={steps}"] if choices.chance(20) or not inputs else []
        how += ["reverse=True"] if choices.chance(25) else []
        how += [f"remat={1 + choices.below(3)}"] if choices.chance(25) else []
        env |= {g.name: self.env[g.name] for g in self.given[given:]}
        self.env, self.pool = env, [*pool, *(g.name for g in self.given[given:])]
        made = self.new("r")
        text = f"{made} = loop({', '.join([step, init, xs, *how])})"
        try:
            self.run(self.since(start))
            self.run(text)
        except REFUSED:
            del self.lines[start:]
            self.refused = refused
            return None
        self.write(text)
        parts = tree.leaves(self.env[made])
        if (level > 1 or choices.chance(50)) and parts:
            names = [self.new() for _ in parts]
            self.define(f"{', '.join(names)}, = leaves({made})")
            self.pool += [n for n, part in zip(names, parts, strict=True) if usable(part)]
        return made

    def step(self, level: int, form: str, carries: list[str], inputs: list[str]) -> str:
        """Write the step of a loop; its name. Carries and inputs are text; the carries form the tree `form`."""
        choices = self.choices
        step, c, x = self.new("step"), self.new("c"), self.new("x")
        self.write(f"def {step}({c}, {x}):")
        self.depth += 1
        befores, firsts = [self.new() for _ in carries], [self.new() for _ in inputs]
        self.env |= {name: self.value(text) for name, text in zip(befores, carries, strict=True)}
        self.env |= {name: self.value(text)[0] for name, text in zip(firsts, inputs, strict=True)}
        for names, whole in ((firsts, x), (befores, c)):
            if names:
                self.write(f"{', '.join(names)}, = leaves({whole})")
        self.pool += [*firsts, *befores]
        for _ in range(3 if level == 1 and self.must else 0):
            if self.assign(call(choices, self, [self.must])):
                break
        for _ in choices.many(6 if level == 1 else 3, 85):
            self.statement(level + 1)
        afters = [self.after(b) for b in befores]
        ys = [self.tensor() for _ in choices.many(3, 70)]
        back, out = filled(form, afters), filled(tree_of(choices, len(ys)), ys)
        if level == 1 and befores and choices.chance(3):
            self.refused, back = True, self.another_form(form, afters)
        self.write(f"return {back}, {out}")
        self.depth -= 1
        return step

    def value(self, text: str) -> ts.Tensor:
        """The tensor that a loop makes of an argument."""
        with np.errstate(all="ignore"):
            value = eval(text, self.env)
        return value if isinstance(value, ts.Tensor) else ts.tensor(value)

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
        values = {n: self.env[n] for n in self.pool if isinstance(self.env[n], ts.Tensor)}
        alike = [n for n, z in values.items() if (z.shape, z.dtype) == (was.shape, was.dtype)]
        kind = self.choices.below(8)
        if kind < 3:
            name = self.recent(alike)
            return name if kind or was.dtype.kind != "f" else f"ts.tanh({name})"
        if was.dtype.kind == "i" and kind == 3:
            return f"{before} + 1"
        dtype, x = str(was.dtype), self.tensor(like=before)
        if kind < 7 and was.dtype.kind == "f" and np.broadcast_shapes(self.shape(x), was.shape) == was.shape:
            return f"ts.astype(ts.tanh({before} + {x}), {dtype!r})"
        mean = "mean" if self.env[x].size and self.env[x].dtype.kind != "b" else "sum"
        return f"ts.astype(ts.broadcast_to(ts.tanh(ts.{mean}({x})), {was.shape}), {dtype!r})"

    def another_form(self, form: str, afters: list[str]) -> str:
        """A carry in a form that is not the one before the step."""
        if "None" in form and self.choices.below(3):
            return filled(form.replace("None", self.tensor()), afters)
        i = self.choices.below(len(afters))
        wrong = self.choices.one_of(OTHERS).format(afters[i])
        return filled(form, [*afters[:i], wrong, *afters[i + 1 :]])


def tree_of(choices: Choices, count: int) -> str:
    """The form of a random tree with `count` leaves: text with @0, @1, ... for the leaves."""

    def form(first: int, last: int) -> str:
        if last == first:
            return "None"
        if last - first == 1:
            return choices.one_of(LEAVES).format(first)
        cut = first + 1 + choices.below(last - first - 1)
        left, right = form(first, cut), form(cut, last)
        return choices.one_of(PAIRS).format(left, right)

    return form(0, count)


def filled(form: str, names: list[str]) -> str:
    """A form with names as its leaves."""
    return re.sub(r"@(\d)", lambda found: names[int(found[1])], form)
