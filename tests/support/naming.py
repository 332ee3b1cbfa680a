"""The names of the registry: NumPy's names, with the module for a function of numpy.linalg ("linalg.norm")."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from operator import attrgetter

import doors
import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS


def public(name: str) -> Callable | None:
    """The public function of this name, which a user writes as ts.name; None for a primitive behind another."""
    return attrgetter(name)(ts) if "." in name or name in ts.__all__ else None


def numpys(name: str) -> Callable | None:
    """NumPy's function of this name, or SciPy's for "special"; None if there is none."""
    try:
        if name.startswith("special."):
            return getattr(importlib.import_module("scipy.special"), name.removeprefix("special."))
        return attrgetter(name)(np)
    except (ImportError, AttributeError):
        return None


PUBLIC = sorted(name for name in FUNCTIONS if public(name) and name.rpartition(".")[2] not in doors.missing())
