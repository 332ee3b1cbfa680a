"""Trees: which values are branches and which are leaves, and the order of the leaves."""

from collections import OrderedDict, namedtuple

import pytest

from tinygrad_seq import tree

Pair = namedtuple("Pair", "left right")

TREES = [
    1,
    None,
    (),
    [],
    {},
    (1, [2, None], {"b": 3, "a": (4,)}),
    Pair(1, Pair([2], None)),
    [None, [[], ()], {"x": None}],
    OrderedDict(z=1, a=[2]),
]


@pytest.mark.parametrize("t", TREES, ids=repr)
def test_like_rebuilds_a_tree_from_its_leaves(t):
    again = tree.like(t, tree.leaves(t))
    assert again == t
    assert isinstance(again, dict) if isinstance(t, dict) else type(again) is type(t)


@pytest.mark.parametrize("t", TREES, ids=repr)
def test_a_tree_matches_itself_with_its_leaves(t):
    assert tree.matching(t, t) == tree.leaves(t)


def test_leaves_come_in_the_order_in_which_they_were_written():
    assert tree.leaves(TREES[5]) == [1, 2, 3, 4]
    assert tree.leaves({"b": 1, "a": 2}) == [1, 2]


def test_text_and_arrays_are_leaves():
    assert tree.leaves(["ab", {1, 2}, range(3)]) == ["ab", {1, 2}, range(3)]


def test_each_keeps_the_shape():
    assert tree.each(lambda x: x * 10, Pair(1, {"a": [2, None]})) == Pair(10, {"a": [20, None]})
    assert type(tree.each(str, Pair(1, 2))) is Pair


def test_matching_finds_the_parts_at_the_positions_of_leaves():
    assert tree.matching((1, {"a": 2, "b": 3}), [None, {"b": "y", "a": (5, 6)}]) == [None, (5, 6), "y"]
    assert tree.matching((1, None), ("x", "ignored")) == ["x"]


def test_the_form_of_a_tree():
    """Equal for trees that differ only in their leaves and in the order of the keys of dicts."""
    t = Pair(1, {"a": [2, None], "b": ()})
    assert tree.form(t) == tree.form(Pair("x", {"b": (), "a": [{3}, None]}))
    others = [
        (1, {"a": [2, None], "b": ()}),
        Pair(1, {"a": (2, None), "b": ()}),
        Pair(1, {"a": [2, 3], "b": ()}),
        Pair(None, {"a": [2, None], "b": ()}),
        Pair(1, {"a": [2, None], "b": None}),
        Pair(1, {"a": [2, None], "c": ()}),
        Pair(1, {"a": [2], "b": ()}),
    ]
    assert all(tree.form(t) != tree.form(other) for other in others)


@pytest.mark.parametrize(
    ("t", "other"),
    [((1, 2), (1,)), ([1], 1), ({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": 2}), ({"a": 1}, [1]), ((), None)],
)
def test_matching_refuses_another_form(t, other):
    with pytest.raises(ValueError, match=r"expected a tree like .*, got"):
        tree.matching(t, other)
