"""Optimizers, clipping and schedules, as their formulas in extended precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import INVALID, extended
from tinygrad_seq import nn, optim

SHAPES = [(), (0,), (1,), (3,), (2, 3), (0, 2)]
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e4, 1e-7, 1e20, -1e20]
NO_PARAMETERS = [[], None, 3, [1.0], [np.ones(2)], [ts.tensor([1, 2])], nn.Linear(2, 2, rng=0), ["w"], [None]]


def parameters(d: Draw, special=SPECIAL, dtypes=("f4", "f8", "f2"), scale: float = 1.0) -> list[ts.Tensor]:
    """Leaf tensors, some of them with a gradient for each of some steps."""
    if d.chance(0.05):
        d.judged(INVALID)
        return d.given("parameters", d.one_of(NO_PARAMETERS), None)
    found: list[ts.Tensor] = []
    for k in range(d.one_of([1, 2, 3])):
        shape, dtype = d.one_of(SHAPES), d.one_of(dtypes)
        p = ts.tensor(d.rng.normal(size=shape).astype(dtype), requires_grad=True)
        d.dtypes.append(p.dtype)
        d.given(f"p{k}", p, extended(p.numpy()))
        found.append(p)
    steps = d.one_of([1, 2, 3])
    gradients: list[list[np.ndarray | None]] = []
    for t in range(steps):
        row: list[np.ndarray | None] = []
        for k, p in enumerate(found):
            g = d.rng.normal(size=p.shape) * d.one_of([1e-3, 1.0, 1.0, 100.0]) * scale
            if d.hostile and len(special):
                known = [x for x in special if not math.isfinite(x) or abs(x) <= np.finfo(p.dtype).max]
                g = np.where(d.rng.random(p.shape) < 0.4, d.rng.choice(known, p.shape), g)
            row.append(None if d.chance(0.15) else g.astype(p.dtype))
            d.given(f"g{k}{t}", row[-1], row[-1])
        gradients.append(row)
    d.values["gradients"] = gradients
    return found


Groups = list[tuple[list[int], dict[str, Any]]]  # the numbers of the parameters of each, and what it states


def in_groups(d: Draw, count: int, names: tuple[str, ...]) -> Groups:
    """A division of parameters into groups, which state some of the settings `names`."""
    found: Groups = []
    for k in range(count):
        if not found or d.chance(0.5):
            found.append(([], {name: setting(d, name, k) for name in names if d.chance(0.5)}))
        found[-1][0].append(k)
    return found


def setting(d: Draw, name: str, k: int) -> Any:
    """A setting that a group states: a number, or None for the optimizer's."""
    before, value = d.verdict, d.number(f"{name}{k}", *SETTINGS[name])
    if value is None:
        d.verdict = before
    return value


def listed(ps: list[ts.Tensor], groups: Groups) -> list[dict[str, Any]]:
    """The groups as an optimizer takes them."""
    return [{"params": [ps[k] for k in group], **stated} for group, stated in groups]


def trained(
    d: Draw,
    make: Any,
    formula: Any,
    names: tuple[str, ...] = ("lr", "weight_decay"),
    form: Any = listed,
    share: float = 0.3,
    **known: Any,
) -> Call:
    """Several steps with given gradients; afterwards the parameters are those of the formula, one by one.

    `formula(p, g, slots, lr, v)` is one update of a parameter, with a dict that it may keep anything in. A
    share of the calls has groups, given in the form `form`, which state some of `names`.
    """
    ps = parameters(d)
    groups = in_groups(d, len(ps), names) if "gradients" in d.values and d.chance(share) else []
    optimizer = make(form(ps, groups) if groups else ps)
    own: list[dict[str, float]] = [{} for _ in ps]
    for group, stated in groups:
        for k in group:
            own[k] = {name: float(x) for name, x in stated.items() if x is not None}
    if d.chance(0.2):  # an optimizer that continues from a saved state
        others = [ts.tensor(p.numpy(), requires_grad=True) for p in ps]
        other = make(form(others, groups) if groups else others)
        other.load_state_dict(optimizer.state_dict())
    changed = d.chance(0.3)
    rates: list[float] = []
    for t, row in enumerate(d.values["gradients"]):
        optimizer.zero_grad()
        for p, g in zip(ps, row, strict=True):
            if g is not None:
                p.grad = ts.tensor(g)
        if changed and t:
            optimizer.lr = float(optimizer.lr) / 2
        rates.append(float(np.asarray(optimizer.lr)))
        optimizer.step()
    assert optimizer.steps == len(rates)

    def oracle(v: Values):
        after = []
        for k in range(len(ps)):
            p, slots, mine = v[f"p{k}"], {}, Values({**v, **own[k]})
            for row, lr in zip(v.gradients, rates, strict=True):
                if row[k] is not None:
                    p = formula(p, extended(row[k]), slots, np.longdouble(own[k].get("lr", lr)), mine)
            after.append(p)
        return after

    return Call([p.detach() for p in ps], oracle, dtype=[p.dtype for p in ps], derivative=False, **known)


def options_of(d: Draw, **wanted: Any) -> dict[str, Any]:
    """Hyperparameters, each of them drawn or left out."""
    return {name: d.number(name, *choice) for name, choice in wanted.items() if d.chance(0.6)}


def number(v: Values, name: str, default: float) -> np.longdouble:
    return np.longdouble(v.get(name, default))


def decayed(p, g, v: Values):
    decay = number(v, "weight_decay", 0)
    return g + decay * p if decay else g


LR = ([0.0, 0.1, 1e-3, 1, 0.5], "[0, inf)")
DECAY = ([0.0, 0.01, 0.5, 1], "[0, inf)")
SETTINGS = {"lr": LR, "weight_decay": DECAY}


@subject("SGD", 300)
def sgd(d: Draw) -> Call:
    lr = d.number("lr", *LR)
    options = options_of(d, momentum=([0.0, 0.5, 0.9, 0, 1], "[0, 1]"), weight_decay=DECAY)
    if d.chance(0.3):
        options["nesterov"] = d.flag("nesterov")
    if options.get("nesterov") and not d.values.get("momentum"):
        d.judged(INVALID)

    def formula(p, g, slots, lr, v):
        mu, g = number(v, "momentum", 0), decayed(p, g, v)
        slots["v"] = mu * slots.get("v", 0) + g if mu else g
        return p - lr * (g + mu * slots["v"] if options.get("nesterov") else slots["v"])

    return trained(d, lambda ps: optim.SGD(ps, lr, **options), formula)


@subject("RMSprop", 300)
def rmsprop(d: Draw) -> Call:
    options = options_of(
        d,
        lr=LR,
        alpha=([0.5, 0.9, 0.99, 0], "[0, 1)"),
        eps=([1e-8, 1e-3, 1e-2], "(0, inf)"),
        momentum=([0.0, 0.9], "[0, 1]"),
        weight_decay=DECAY,
    )
    if d.chance(0.4):
        options["centered"] = d.flag("centered")

    def formula(p, g, slots, lr, v):
        alpha, eps, mu = number(v, "alpha", 0.99), number(v, "eps", 1e-8), number(v, "momentum", 0)
        g = decayed(p, g, v)
        slots["n"] = alpha * slots.get("n", 0) + (1 - alpha) * g * g
        slots["m"] = alpha * slots.get("m", 0) + (1 - alpha) * g
        spread = np.maximum(slots["n"] - slots["m"] ** 2, 0) if options.get("centered") else slots["n"]
        step = g / (np.sqrt(spread) + eps)
        slots["v"] = mu * slots.get("v", 0) + step
        return p - lr * slots["v"]

    return trained(d, lambda ps: optim.RMSprop(ps, **options), formula)


def adam_formula(p, g, slots, lr, v):
    beta1, beta2 = (np.longdouble(b) for b in v.get("betas", (0.9, 0.999)))
    slots["t"] = slots.get("t", 0) + 1
    slots["m"] = beta1 * slots.get("m", 0) + (1 - beta1) * g
    slots["v"] = beta2 * slots.get("v", 0) + (1 - beta2) * g * g
    m, n = slots["m"] / (1 - beta1 ** slots["t"]), slots["v"] / (1 - beta2 ** slots["t"])
    return p - lr * m / (np.sqrt(n) + number(v, "eps", 1e-8))


def adam_options(d: Draw) -> dict[str, Any]:
    options = options_of(d, lr=LR, eps=([1e-8, 1e-3, 1e-4], "(0, inf)"))
    if d.chance(0.5):
        valid = d.one_of([(0.9, 0.999), (0.5, 0.9), [0.0, 0.5], (np.float32(0.5), np.float64(0.25)), (0, 0)])
        if d.chance(0.12):
            d.judged(INVALID)
            options["betas"] = d.given(
                "betas",
                d.one_of(
                    [
                        (0.9, 1.0),
                        (1.5, 0.9),
                        (-0.1, 0.9),
                        0.9,
                        None,
                        (0.9,),
                        ("a", 0.9),
                        (math.nan, 0.9),
                        (0.1, 0.2, 0.3),
                    ]
                ),
                None,
            )
        else:
            options["betas"] = d.given("betas", valid, tuple(map(float, valid)))
    return options


@subject("Adam", 400)
def adam(d: Draw) -> Call:
    options = adam_options(d) | options_of(d, weight_decay=DECAY)

    def formula(p, g, slots, lr, v):
        return adam_formula(p, decayed(p, g, v), slots, lr, v)

    return trained(d, lambda ps: optim.Adam(ps, **options), formula)


@subject("AdamW", 300)
def adamw(d: Draw) -> Call:
    options = adam_options(d) | options_of(d, weight_decay=DECAY)

    def formula(p, g, slots, lr, v):
        return adam_formula(p * (1 - lr * number(v, "weight_decay", 1e-2)), g, slots, lr, v)

    return trained(d, lambda ps: optim.AdamW(ps, **options), formula)


@subject("Optimizer", 60, also=("Signs",))
def base(d: Draw) -> Call:
    """Signs: p <- p - lr sign g, an optimizer of one's own."""

    class Signs(optim.Optimizer):
        def update(self, i, p, g, scratch):
            np.subtract(p, self.lr * np.sign(g), out=p)

    lr = d.number("lr", *LR)
    return trained(d, lambda ps: Signs(ps, lr), lambda p, g, slots, lr, v: p - lr * np.sign(g), ("lr",))


@subject("by_name", 100, also=("SGD",))
def by_name(d: Draw) -> Call:
    """Groups from names, of which some have equal options; the order of parameters is that of the groups."""
    if d.chance(0.1):
        d.judged(INVALID)
        wrong = d.one_of([(nn.Linear(2, 2, rng=0), lambda name: {}), ([1.0], lambda name: {}), ([], None)])
        return Call(optim.by_name(*wrong), lambda v: v)

    def named(ps, groups):
        found = {f"{k}": stated for group, stated in groups for k in group}
        return optim.by_name(((f"{k}", p) for k, p in enumerate(ps)), found.__getitem__)

    def formula(p, g, slots, lr, v):
        return p - lr * decayed(p, g, v)

    lr = d.number("lr", *LR)
    return trained(d, lambda ps: optim.SGD(ps, lr), formula, form=named, share=1.0)


@subject("EMA", 150)
def ema(d: Draw) -> Call:
    """The average of values that parameters had, one after another; afterwards they have the last of them."""
    decay = d.number("decay", [0.0, 0.5, 0.9, 0.999], "[0, 1)")
    ps = parameters(d)
    average = optim.EMA(ps, decay)
    for row in d.values["gradients"]:
        for p, x in zip(ps, row, strict=True):
            if x is not None:
                p.assign_(x)
        average.update()
    with average.swapped():
        swapped = [p.detach() for p in ps]

    def oracle(v: Values):
        averages, last = [], []
        for k in range(len(ps)):
            p = s = v[f"p{k}"]
            for row in v.gradients:
                p = p if row[k] is None else extended(row[k])
                s = v.decay * s + (1 - v.decay) * p
            averages.append(s)
            last.append(p)
        return averages + last

    dtypes = [p.dtype for p in ps]
    return Call([*swapped, *(p.detach() for p in ps)], oracle, dtype=dtypes * 2, derivative=False)
