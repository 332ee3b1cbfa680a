"""The functions of `nn.memory` compared with their equations, and properties that hold for extreme inputs."""

import numpy as np
import pytest
from addressing import (
    content_by_hand,
    interpolation_by_hand,
    read_by_hand,
    sharpening_by_hand,
    shift_by_hand,
    write_by_hand,
)
from hypothesis import given
from hypothesis import strategies as st
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq.nn import memory as m
from tinygrad_seq.scan.over_time import unrolled
from tinygrad_seq.testing import check_grad

B, H, N, M, R = 2, 3, 5, 4, 1
rng = np.random.default_rng(0)


def weighting(*shape, seed=0):
    w = 0.5 + np.random.default_rng(seed).random(shape)  # far from 0, for numerical derivatives
    return w / w.sum(-1, keepdims=True)


# --- the equations, element by element ------------------------------------------------------------------


MEMORY, KEYS = rng.normal(size=(B, N, M)), rng.normal(size=(B, H, M))
WEIGHTS, PREVIOUS = weighting(B, H, N), weighting(B, H, N, seed=1)
CASES = {  # arguments for H heads, which share the memory, and the function by hand
    "content_addressing": ([MEMORY, KEYS, 5 * rng.random((B, H, 1))], content_by_hand),
    "interpolation": ([WEIGHTS, PREVIOUS, rng.random((B, H, 1))], interpolation_by_hand),
    "circular_shift": ([WEIGHTS, weighting(B, H, 2 * R + 1, seed=2)], shift_by_hand),
    "sharpening": ([WEIGHTS, 1 + 4 * rng.random((B, H, 1))], sharpening_by_hand),
    "read": ([MEMORY, WEIGHTS], read_by_hand),
}
ALL = CASES | {"write": ([MEMORY, WEIGHTS, rng.random((B, H, M)), rng.normal(size=(B, H, M))], write_by_hand)}


def head(arguments, h):
    """The arguments of head h."""
    return [a if a is MEMORY else a[:, h] for a in arguments]


@pytest.mark.parametrize("name", CASES)
def test_it_is_its_equation(name):
    arguments, by_hand = CASES[name]
    found = getattr(m, name)(*map(ts.tensor, arguments))
    expected = [[by_hand(*(a[b] for a in head(arguments, h))) for h in range(H)] for b in range(B)]
    assert_allclose(found.numpy(), expected, rtol=1e-12)
    for h in range(H):
        one = getattr(m, name)(*map(ts.tensor, head(arguments, h)))
        assert_allclose(one.numpy(), np.array(expected)[:, h], rtol=1e-12)


def test_all_heads_erase_before_any_adds():
    memory, weights, erase, add = ALL["write"][0]
    found = m.write(*map(ts.tensor, (memory, weights, erase, add)))
    expected = [write_by_hand(*(a[b] for a in (memory, weights, erase, add))) for b in range(B)]
    assert_allclose(found.numpy(), expected, rtol=1e-12)
    one = m.write(*map(ts.tensor, (memory, weights[:, 1], erase[:, 1], add[:, 1])))
    expected = [write_by_hand(memory[b], *(a[b, 1:2] for a in (weights, erase, add))) for b in range(B)]
    assert_allclose(one.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("n", "r"), [(5, 0), (5, 2), (3, 2), (1, 1)])
def test_a_shift_wraps_around(n, r):
    """Also with fewer rows than offsets."""
    w, s = weighting(B, n), weighting(B, 2 * r + 1, seed=1)
    found = m.circular_shift(ts.tensor(w), ts.tensor(s))
    assert_allclose(found.numpy(), [shift_by_hand(w[b], s[b]) for b in range(B)], rtol=1e-12)


def test_the_last_offset_moves_forward():
    moved = m.circular_shift(ts.tensor(np.eye(4)[[3]]), ts.tensor(np.eye(3)[[2]]))
    assert moved.numpy().tolist() == [[1.0, 0.0, 0.0, 0.0]]


@pytest.mark.host("plain arrays are NumPy arrays")
@pytest.mark.parametrize("name", ALL)
def test_arrays_in_arrays_out(name):
    arguments, _ = ALL[name]
    found = getattr(m, name)(*arguments)
    assert isinstance(found, np.ndarray)
    assert_allclose(found, getattr(m, name)(*map(ts.tensor, arguments)).numpy(), rtol=1e-15)


@pytest.mark.parametrize("heads", [True, False], ids=["several heads", "one head"])
@pytest.mark.parametrize("name", ALL)
def test_derivatives_to_second_order(name, heads):
    arguments, _ = ALL[name]
    check_grad(getattr(m, name), *(arguments if heads else head(arguments, 1)))


@pytest.mark.parametrize("name", ALL)
def test_it_is_the_same_in_a_loop(name):
    """Values, first and second derivatives of a function of the carry, in `scan` and in an unrolled loop."""
    arguments, _ = ALL[name]

    def step(c, x):
        made = getattr(m, name)(*(a * (1 + c * x) for a in leaves))
        return ts.tanh(made.sum() + c), made

    found = []
    for loop in (ts.scan, unrolled):
        leaves = [ts.tensor(a, requires_grad=True) for a in arguments]
        c, made = loop(step, ts.tensor(np.float64(0.1)), ts.tensor(np.array([0.1, 0.2, 0.3])))
        grads = ts.grad(c + (made * made).sum(), leaves, create_graph=True)
        second = ts.grad(sum((g * g).sum() for g in grads), leaves)
        found.append([c, made, *grads, *second])
    for ours, theirs in zip(*found, strict=True):
        assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10, atol=1e-12)


# --- numbers at which other implementations fail --------------------------------------------------------


def test_the_usual_sharpening_loses_its_sum():
    """w^gamma / (sum + 1e-16), for a uniform weighting of 128 rows in float32: 0.12 at gamma 9, 0 at 50."""
    w = np.full((1, 128), 1 / 128, np.float32)
    for gamma, lost in ((9, 0.12), (50, 0.0)):
        powers = w ** np.float32(gamma)
        usual = powers / (powers.sum(-1, keepdims=True) + np.float32(1e-16))
        assert round(float(usual.sum()), 2) == lost
        ours = m.sharpening(ts.tensor(w), ts.tensor([[float(gamma)]]))
        assert ours.dtype == np.float32
        assert_allclose(ours.numpy(), w, rtol=1e-6)


def address(memory, key, strength, previous, gate, kernel, gamma):
    content = m.content_addressing(memory, key, strength)
    moved = m.circular_shift(m.interpolation(content, previous, gate), kernel)
    return content, moved, m.sharpening(moved, gamma)


def drawn(data, dtype):
    """Arguments of `address`, including extreme ones."""
    rows, width, r = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))

    def vectors(*shape):
        kind = data.draw(st.sampled_from(["normal", "zero", "tiny", "alike", "large"]))
        scale = {"zero": 0.0, "tiny": 1e-6, "large": 1e4}.get(kind, 1.0)
        return np.ones(shape) if kind == "alike" else scale * rng.normal(size=shape)

    def distribution(n):
        kind = data.draw(st.sampled_from(["random", "one-hot", "uniform", "two"]))
        w = {
            "random": rng.random(n),
            "one-hot": np.eye(n)[0],
            "uniform": np.ones(n),
            "two": np.eye(n)[[0, -1]].sum(0),
        }
        return (w[kind] / w[kind].sum())[None]

    numbers = [
        vectors(1, rows, width),
        vectors(1, width),
        np.array([[data.draw(st.sampled_from([0.0, 1.0, 1e4]))]]),
        distribution(rows),
        np.array([[data.draw(st.sampled_from([0.0, 0.3, 1.0]))]]),
        distribution(2 * r + 1),
    ]
    return [a.astype(dtype) for a in numbers]


def is_weighting(w, dtype):
    assert w.dtype == dtype
    values = w.numpy()
    assert (values >= 0).all()
    assert_allclose(values.sum(-1), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_weightings_of_hostile_inputs(dtype, data):
    """Weightings are non-negative with sum 1, and all first derivatives are finite."""
    gamma = data.draw(st.sampled_from([1.0, 1.001, 1.5, 2.0, 9.0, 50.0]))
    given_ = [*drawn(data, dtype), np.array([[gamma]], dtype)]
    leaves = [ts.tensor(a, requires_grad=True) for a in given_]
    found = address(*leaves)
    for w in found:
        is_weighting(w, dtype)
    u = np.random.default_rng(1).normal(size=found[-1].shape).astype(dtype)
    for grad in ts.grad(sum((w * u).sum() for w in found), leaves):
        assert np.isfinite(grad.numpy()).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_second_derivatives_of_hostile_inputs(dtype, data):
    gamma = data.draw(st.sampled_from([1.0, 2.0, 3.5, 50.0]))
    given_ = [*drawn(data, dtype), np.array([[gamma]], dtype)]
    leaves = [ts.tensor(a, requires_grad=True) for a in given_]
    found = address(*leaves)
    rng = np.random.default_rng(1)
    u = rng.normal(size=found[-1].shape).astype(dtype)
    grads = ts.grad(sum((w * u).sum() for w in found), leaves, create_graph=True)
    along = sum((g * rng.normal(size=g.shape).astype(dtype)).sum() for g in grads)
    for second in ts.grad(along, leaves, zeros=True):
        assert np.isfinite(second.numpy()).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_weight_without_a_reciprocal(dtype):
    """1/w is infinite in the dtype, although w^gamma log w has the derivative w^gamma / w + ..."""
    small = float(np.finfo(dtype).smallest_subnormal)
    leaves = [ts.tensor(a, dtype=dtype, requires_grad=True) for a in ([[1.0, small, 0.0]], [[1.0]])]
    w = m.sharpening(*leaves)
    assert w.numpy().tolist() == [[1.0, 0.0, 0.0]]
    slopes = ts.grad(w[0, 1], leaves, create_graph=True)
    assert slopes[0].numpy().tolist() == [[0.0, 1.0, 0.0]]
    for second in ts.grad(sum(slope.sum() for slope in slopes), leaves):
        assert np.isfinite(second.numpy()).all()


@pytest.mark.parametrize("what", ["memory", "key"])
def test_a_vector_near_zero_has_no_gradient(what):
    """If |u| |v| is just large enough it has one: the cosine does not depend on lengths."""
    for length, directed in ((0.9e-8, False), (1.1e-8, True)):
        memory, key = np.zeros((1, 2, 2)), np.array([[1.0, 0.0]])
        memory[0, 0] = 0.6, 0.8
        if what == "memory":
            memory *= length
        else:
            key *= length
        leaves = [ts.tensor(a, requires_grad=True) for a in (memory, key)]
        w = m.content_addressing(*leaves, ts.tensor([[2.0]]))
        expected = np.exp([2 * 0.6 * directed, 0])
        assert_allclose(w.numpy()[0], expected / expected.sum(), rtol=1e-7)
        grads = [g.numpy() for g in ts.grad(w[0, 0], leaves)]
        assert all((g != 0).any() == directed for g in grads)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 3.0])
def test_the_gradient_of_a_sharpening_at_a_zero_weight(gamma):
    """w^gamma has the slope 1 at w = 0 for gamma = 1, and 0 for gamma > 1."""
    w = ts.tensor(np.array([[1.0, 0.0]]), requires_grad=True)
    slope = ts.grad(m.sharpening(w, ts.tensor(np.array([[gamma]])))[0, 1], w)
    assert slope.numpy().tolist() == [[0.0, float(gamma == 1)]]


# --- shapes ---------------------------------------------------------------------------------------------

WRONG = [
    ("content_addressing", 1, (1, M), r"got key float64\[1,4\], expected \(2, 4\)"),
    ("content_addressing", 1, (B, M + 1), r"memory \(B, N, M\), key \(B\[, H\], M\)"),
    ("content_addressing", 2, (B,), r"got strength float64\[2\], expected \(2, 1\)"),
    ("content_addressing", 2, (B, N), r"got strength float64\[2,5\], expected \(2, 1\)"),
    ("content_addressing", 0, (N, M), r"got memory float64\[5,4\], expected \(B, N, M\)"),
    ("interpolation", 1, (1, N), r"got previous float64\[1,5\], expected \(2, 5\)"),
    ("interpolation", 0, (B, 1), r"got previous float64\[2,5\], expected \(2, 1\)"),
    ("interpolation", 2, (1, 1), r"got gate float64\[1,1\], expected \(2, 1\)"),
    ("circular_shift", 1, (1, 3), r"got kernel float64\[1,3\], expected \(2, 3\)"),
    ("circular_shift", 1, (B, 4), r"a kernel of odd length 2r\+1, for offsets -r \.\.\. r; got 4"),
    ("sharpening", 1, (1, 1), r"got gamma float64\[1,1\], expected \(2, 1\)"),
    ("sharpening", 1, (), r"got gamma float64\[\], expected \(2, 1\)"),
    ("read", 1, (1, N), r"got weights float64\[1,5\], expected \(2, 5\)"),
    ("read", 1, (B, 1), r"got weights float64\[2,1\], expected \(2, 5\)"),
    ("write", 0, (1, N, M), r"got weights float64\[2,5\], expected \(1, 5\)"),
    ("write", 2, (1, M), r"got erase float64\[1,4\], expected \(2, 4\)"),
    ("write", 3, (B, 1), r"got add float64\[2,1\], expected \(2, 4\)"),
    ("write", 3, (B, H, M), r"got weights float64\[2,5\], expected \(2, H, 5\)"),
]


@pytest.mark.parametrize(("name", "place", "shape", "said"), WRONG)
def test_nothing_is_broadcast(name, place, shape, said):
    arguments = [ts.tensor(a) for a in head(ALL[name][0], 0)]
    arguments[place] = ts.tensor(np.ones(shape))
    with pytest.raises(ValueError, match=said):
        getattr(m, name)(*arguments)
