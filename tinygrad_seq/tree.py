"""Trees: tensors in tuples, lists and dicts, as states and results come.

A leaf is whatever is none of these; None is a branch without leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Tree = TypeVar("Tree")  # a tree and one of the same shape, whose leaves are of the same class


def leaves(tree: object) -> list[Any]:
    """The leaves of a tree, from left to right; those of a dict in the order of its keys' insertion.

    >>> leaves(({"h": 1, "c": [2, None]}, 3))
    [1, 2, 3]
    """
    return list(_walk(tree))


def _walk(tree: object) -> Iterator[Any]:
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from _walk(branch)
    elif tree is not None:
        yield tree


def like(tree: object, values: Iterable[object]) -> Any:
    """A tree of the shape of `tree` with `values` for its leaves.

    >>> like({"h": 1, "c": [2, None]}, ["a", "b"])
    {'h': 'a', 'c': ['b', None]}
    """
    return _build(tree, iter(values))


# no closure: one that calls itself would hold the leaves in a circle
def _build(branch: object, values: Iterator[object]) -> Any:
    if isinstance(branch, dict):
        return {key: _build(value, values) for key, value in branch.items()}
    if isinstance(branch, tuple) and hasattr(branch, "_fields"):  # a named tuple takes its parts one by one
        return type(branch)(*(_build(value, values) for value in branch))
    if isinstance(branch, (tuple, list)):
        return type(branch)([_build(value, values) for value in branch])
    return None if branch is None else next(values)


def each(function: Callable[[Any], object], tree: Tree) -> Tree:
    """The tree of the function's values at the leaves."""
    made: Tree = like(tree, map(function, leaves(tree)))
    return made


def beside(tree: object, other: object) -> list[Any]:
    """What stands in `other` in the places of the leaves of `tree`; a ValueError where the shapes differ.

    >>> beside((1, [2]), ("a", ["b"]))
    ['a', 'b']
    """
    if isinstance(tree, dict) and isinstance(other, dict) and tree.keys() == other.keys():
        return [x for key in tree for x in beside(tree[key], other[key])]
    if isinstance(tree, (tuple, list)) and isinstance(other, (tuple, list)) and len(tree) == len(other):
        return [x for pair in zip(tree, other, strict=True) for x in beside(*pair)]
    if isinstance(tree, (dict, tuple, list)):
        raise ValueError(f"a tree like {tree!r:.80} is needed, not {other!r:.80}")
    return [] if tree is None else [other]
