"""Trees: nested tuples, lists and dicts of tensors, such as states and results.

Anything that is not a tuple, list, dict or None is a leaf; None is a branch without leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Tree = TypeVar("Tree")  # a tree, and one of the same form with leaves of the same class


def leaves(tree: object) -> list[Any]:
    """The leaves of a tree, from left to right; those of a dict in the order of its keys.

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
    """A tree of the form of `tree`, with `values` as its leaves.

    >>> like({"h": 1, "c": [2, None]}, ["a", "b"])
    {'h': 'a', 'c': ['b', None]}
    """
    return _build(tree, iter(values))


# not a closure: a recursive one is a reference cycle that keeps the leaves
def _build(branch: object, values: Iterator[object]) -> Any:
    if isinstance(branch, dict):
        return {key: _build(value, values) for key, value in branch.items()}
    if isinstance(branch, tuple) and hasattr(branch, "_fields"):  # a named tuple takes its fields one by one
        return type(branch)(*(_build(value, values) for value in branch))
    if isinstance(branch, (tuple, list)):
        return type(branch)([_build(value, values) for value in branch])
    return None if branch is None else next(values)


def each(function: Callable[[Any], object], tree: Tree) -> Tree:
    """A tree of the same form, with `function` applied to each leaf."""
    made: Tree = like(tree, map(function, leaves(tree)))
    return made


def form(tree: object) -> object:
    """The form of a tree, to be compared: the classes of its branches, the keys of dicts, where leaves are.

    >>> form((1, [2, None])) == form((3, [4, None])), form((1, [2])) == form((1, (2,)))
    (True, False)
    """
    if isinstance(tree, dict):
        return type(tree), {key: form(branch) for key, branch in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree), [form(branch) for branch in tree]
    return tree is None


def matching(tree: object, other: object) -> list[Any]:
    """The parts of `other` at the positions of the leaves of `tree`; ValueError if their forms differ.

    >>> matching((1, [2]), ("a", ["b"]))
    ['a', 'b']
    """
    if isinstance(tree, dict) and isinstance(other, dict) and tree.keys() == other.keys():
        return [x for key in tree for x in matching(tree[key], other[key])]
    if isinstance(tree, (tuple, list)) and isinstance(other, (tuple, list)) and len(tree) == len(other):
        return [x for pair in zip(tree, other, strict=True) for x in matching(*pair)]
    if isinstance(tree, (dict, tuple, list)):
        raise ValueError(f"expected a tree like {tree!r:.80}, got {other!r:.80}")
    return [] if tree is None else [other]
