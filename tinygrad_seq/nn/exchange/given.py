"""The arrays that another library returns: a flat dict, a tree of dicts and lists, or lists without names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe


def flat(arrays: Any, separator: str, unread: str) -> dict[str, np.ndarray] | list[np.ndarray]:
    """The arrays of a tree by their paths, in which "." and "/" are separators; None is no array.

    A tree of lists without names becomes one list. Paths that match the regular expression `unread` are left
    out. Raises TypeError for what is not an array, and ValueError if two arrays have the same path.
    """
    if not (isinstance(arrays, Mapping) or _is_list(arrays)):
        raise TypeError(f"weights need a dict of arrays, or nested dicts and lists, got {describe(arrays)}")
    leaves = list(_leaves(arrays, ()))
    if leaves and all(isinstance(part, int) for path, _ in leaves for part in path):
        return [_array(leaf, str(path[0])) for path, leaf in leaves]
    named = [(separator.join(map(str, path)), leaf) for path, leaf in leaves]
    found = {name: _array(leaf, name) for name, leaf in named if not re.search(unread, name)}
    if len(found) < sum(not re.search(unread, name) for name, _ in named):
        raise ValueError(f"two of the arrays have the same name: {', '.join(name for name, _ in named)}")
    return found


def _leaves(tree: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(tree, Mapping):
        for key, part in tree.items():
            yield from _leaves(part, (*path, *re.findall(r"[^./]+", str(key))))
    elif _is_list(tree):
        for key, part in enumerate(tree):
            yield from _leaves(part, (*path, key))
    elif tree is not None:
        yield path, tree


def _is_list(tree: Any) -> bool:
    """Whether it is a list of trees, and not a list of numbers, which is an array."""
    return isinstance(tree, (list, tuple)) and all(
        (hasattr(part, "shape") and not isinstance(part, np.generic))
        or part is None
        or isinstance(part, Mapping)
        or _is_list(part)
        for part in tree
    )


def _array(leaf: Any, name: str) -> np.ndarray:
    try:
        return leaf.numpy() if hasattr(leaf, "numpy") else backend.to_numpy(leaf)
    except (TypeError, ValueError, RuntimeError) as error:  # bfloat16 or a device, in PyTorch or MLX
        raise TypeError(
            f"{name or 'the argument'} cannot be read as a NumPy array ({error}); convert "
            "it to float32 on the CPU first"
        ) from error


def without_prefix(
    given: Mapping[str, np.ndarray], names: Collection[str], separator: str
) -> dict[str, np.ndarray]:
    """`given`, without the prefix that all of its names share, such as "params/cell/".

    If the shared prefix has several parts, as many of them are removed as make the most of the names known.
    """
    paths = [name.split(separator) for name in given]
    shared = 0
    while paths and all(len(path) > shared + 1 and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    known = set(names)

    def stripped(count: int) -> list[str]:
        return [separator.join(path[count:]) for path in paths]

    best = max(range(shared + 1), key=lambda count: len(known.intersection(stripped(count))))
    return dict(zip(stripped(best), given.values(), strict=True))
