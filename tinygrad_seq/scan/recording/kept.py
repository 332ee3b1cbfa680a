"""Recordings that are kept: a step whose fingerprint is known is not called, and its program runs at once.

A recording is kept only if what the step did meanwhile confirms that the fingerprint holds all that it reads:
its tensors are those that the fingerprint found, it read the value of none, and it left everything as it was.
Arrays and tensors that the code of this package makes in a step are constants; an array in marked code may be
one that changes elsewhere.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.scan.recording.fingerprint import Fingerprint, UnknownError
from tinygrad_seq.scan.recording.guard import Guard
from tinygrad_seq.scan.recording.step import WHOLE, Step
from tinygrad_seq.tensor.tensor import Tensor

KEPT: OrderedDict[tuple, Kept] = OrderedDict()  # the most recently used ones, by the keys of fingerprints
CAPACITY = 128
lock = threading.Lock()


class Kept(NamedTuple):
    """A recording.

    compiled  its program, as long as others hold that
    sources   for every constant of the program, which tensor of the fingerprint it is, or the constant itself
    ys        a tree of the form of the outputs
    guard     tells whether the code of this package is the same
    """

    compiled: weakref.ref
    sources: tuple
    ys: Any
    guard: Guard


def fingerprint(step: Callable, init, xs) -> Fingerprint | None:
    """The fingerprint of a step for this carry and these inputs; None if it may read anything."""
    try:
        return Fingerprint(step, init, xs)
    except UnknownError:
        return None


def find(now: Fingerprint) -> tuple[Any, list, Any] | None:
    """The program that was recorded under a fingerprint, its arguments, and the form of its outputs."""
    with lock:
        if (kept := KEPT.get(now.key)) is None:
            return None
        KEPT.move_to_end(now.key)
    if (compiled := kept.compiled()) is None or not kept.guard.holds():
        return None
    constants = [now.tensors[x] if x.__class__ is int else x for x in kept.sources]
    return compiled, [*now.carried, *now.inputs, *constants], kept.ys


def keep(before: Fingerprint, recorded: Step, compiled: Any, after: Fingerprint | None) -> None:
    """Keep a recording under the fingerprints before and after it, if that is right."""
    trace = recorded.trace
    if after is None or after.key != before.key or trace.derivatives or trace.has_read:
        return
    places = {id(t): i for i, t in enumerate(after.tensors)}
    lines = [t.line for t in after.tensors if t.line is not None]
    sources: list = []
    for line, x in recorded.captured(compiled.used):
        if isinstance(x, Tensor):
            constant = line in trace.fresh and not (after.marked or x.requires_grad)
            sources.append(places.get(id(x), x if constant else None))
        elif type(x) not in WHOLE:
            sources.append(x if isinstance(x, np.generic) or not after.marked else None)
    if any(x is None for x in sources) or len({*lines}) < len(lines):  # one line is one constant
        return
    try:
        guard = Guard(after.functions, after.classes)
    except UnknownError:
        return
    kept = Kept(weakref.ref(compiled), tuple(sources), tree.each(lambda y: 0, recorded.tree_of_ys), guard)
    with lock:
        KEPT[before.key] = kept
        while len(KEPT) > CAPACITY:
            KEPT.popitem(last=False)
