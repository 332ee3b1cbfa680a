"""Matrices at the points where a derivative does not exist or is easily wrong: what is returned there.

Singular matrices, equal eigenvalues and singular values, those of zero, changes of rank; and the functions that
cannot be compared with NumPy's argument by argument.
"""

import doors
import numpy as np
import pytest
from points import INF, NAN, gradient, leaf
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import linalg
from tinygrad_seq.ops.linalg import powers
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
TURN = np.linalg.qr(rng.normal(size=(4, 4)))[0]  # an orthogonal matrix
C = rng.normal(size=(4, 4))


def singular(rank, n=4):
    """A matrix of this rank; and with this many singular values of 1 a half, 1 a third, ..."""
    return TURN[:, :rank] / np.arange(2, rank + 2) @ TURN[::-1, :rank].T


def symmetric(*eigenvalues):
    """A symmetric matrix with these eigenvalues."""
    return TURN * eigenvalues @ TURN.T


# --- determinants -------------------------------------------------------------------------------------


def minors(a):
    """The cofactors of a matrix, by the determinants of what is left."""
    rows = range(len(a))
    return np.array(
        [[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in rows] for i in rows]
    )


@pytest.mark.parametrize("rank", range(5))
def test_the_gradient_of_det_is_the_matrix_of_cofactors_for_every_matrix(rank):
    a = singular(rank)
    _, da = gradient(linalg.det, a)
    assert_allclose(da, minors(a), rtol=1e-11, atol=1e-15)
    check_grad(linalg.det, a)  # to second order, which is not 0 for a rank of 2


def test_the_third_derivative_of_det_at_a_singular_matrix():
    a, (h, k, v) = singular(3), rng.normal(size=(3, 4, 4))

    def second(a):
        first = ts.grad(linalg.det(a), a, create_graph=True)
        return ts.sum(ts.grad(ts.sum(first * h), a, create_graph=True) * k)

    slope = (second(leaf(a + 1e-4 * v)).item() - second(leaf(a - 1e-4 * v)).item()) / 2e-4
    x = leaf(a)
    assert_allclose(np.sum(ts.grad(second(x), x).numpy() * v), slope, rtol=1e-6)


def test_det_of_matrices_with_infinities_or_nan_has_a_gradient_of_nan():
    for bad in (INF, NAN):
        a = np.stack([np.eye(3), np.where(np.eye(3) > 0, bad, 1.0)])
        _, da = gradient(linalg.det, a)
        assert_array_equal(da[0], np.eye(3))
        assert np.all(np.isnan(da[1]))


def test_slogdet_of_a_singular_matrix_has_no_derivative():
    """It is NaN, and 0 for a gradient of 0; other matrices of the stack have theirs."""
    a = np.array([[[2.0, 0.0], [0.0, 4.0]], [[1.0, 2.0], [2.0, 4.0]]])
    z, da = gradient(lambda a: linalg.slogdet(a).logabsdet, a)
    assert_array_equal(z, [np.log(8.0), -INF])
    assert_allclose(da[0], [[0.5, 0.0], [0.0, 0.25]])
    assert np.all(np.isnan(da[1]))
    _, da = gradient(lambda a: linalg.slogdet(a)[0] * ts.exp(linalg.slogdet(a)[1]), a)
    assert_allclose(da, [[[4.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    _, dz = ts.jvp(lambda a: linalg.slogdet(a).logabsdet, [leaf(a)], [np.ones((2, 2, 2))])
    assert_array_equal(dz.numpy(), [0.75, NAN])


def test_the_sign_of_a_determinant_is_constant():
    _, da = gradient(lambda a: linalg.slogdet(a).sign, [[0.0, 2.0], [1.0, 0.0]])
    assert_array_equal(da, np.zeros((2, 2)))


# --- eigenvalues --------------------------------------------------------------------------------------

TWICE = symmetric(1.0, 2.0, 2.0, 5.0)


def test_a_symmetric_function_of_equal_eigenvalues_has_the_right_gradient():
    """The sum of squares is the sum of the squares of the elements: the gradient is 2 a, of one triangle."""
    for f in (lambda a: ts.square(linalg.eigvalsh(a)), lambda a: ts.square(linalg.eigh(a).eigenvalues)):
        _, da = gradient(f, TWICE)
        assert_allclose(da, 2 * (np.tril(TWICE) + np.tril(TWICE, -1)), atol=1e-13)


def test_the_projection_on_the_space_of_equal_eigenvalues_has_the_right_gradient():
    def projection(a):
        a = (a + a.T) / 2
        v = linalg.eigh(a).eigenvectors[:, 1:3]
        return ts.sum(v @ v.T * C)

    a = ts.tensor(TWICE, requires_grad=True)
    da, h = ts.grad(projection(a), a).numpy(), rng.normal(size=(4, 4))

    def moved(t):
        v = np.linalg.eigh(TWICE + t * (h + h.T) / 2)[1][:, 1:3]
        return np.sum(v @ v.T * C)

    assert_allclose(np.sum(da * h), (moved(1e-5) - moved(-1e-5)) / 2e-5, rtol=1e-7)


def test_one_of_two_equal_eigenvalues_has_the_gradient_of_a_unit_vector():
    _, da = gradient(lambda a: linalg.eigvalsh(a)[:, 1], np.stack([TWICE, np.eye(4)]))
    full = (da + da.mT) / 2
    assert_allclose(np.linalg.eigvalsh(full), [[0, 0, 0, 1]] * 2, atol=1e-12)


def test_eigenvectors_of_equal_eigenvalues_have_a_gradient_of_0_within_their_space():
    """Theirs depends on the basis, so there is none; the derivative of a function of a matrix lacks a term."""
    _, da = gradient(lambda a: linalg.eigh(a).eigenvectors * C, np.eye(4))
    assert_array_equal(da, np.zeros((4, 4)))

    def squared(a):
        w, v = linalg.eigh(a)
        return (v * ts.square(w)) @ v.T

    _, da = gradient(lambda a: squared(a) * (1 - np.eye(4)), np.eye(4))
    assert_array_equal(da, np.zeros((4, 4)))  # that of a @ a is 4 below the diagonal


@pytest.mark.parametrize(("uplo", "other"), [("L", np.triu), ("U", np.tril)])
def test_one_triangle_is_read(uplo, other):
    a = symmetric(1.0, 2.0, 4.0, 7.0) + other(np.full((4, 4), 99.0), -1 if uplo == "U" else 1)
    for f in (lambda a: linalg.eigvalsh(a, uplo), lambda a: ts.square(linalg.eigh(a, uplo)[1])):
        z, da = gradient(f, a)
        assert_array_equal(other(da, 1 if uplo == "L" else -1), np.zeros((4, 4)))
        assert np.any(da)
        assert np.all(z < 90)


# --- singular values ----------------------------------------------------------------------------------


def test_the_polar_factor_has_the_right_gradient_for_equal_singular_values():
    def polar(a):
        u, _, vh = linalg.svd(a)
        return u @ vh

    check_grad(polar, TURN * 3.0, order=1)
    check_grad(polar, symmetric(1.0, 2.0, 2.0, 5.0) @ TURN, order=1)


def test_the_nuclear_norm_for_equal_singular_values():
    _, da = gradient(lambda a: ts.norm(a, "nuc"), 3.0 * TURN)
    assert_allclose(da, TURN, atol=1e-14)
    _, da = gradient(lambda a: ts.norm(a, 2), 3.0 * TURN)  # equal maxima share the derivative
    assert_allclose(np.sum(da * TURN), 1.0)


def test_a_singular_value_of_0_has_a_gradient_of_0():
    a = singular(2)
    u, _, v = np.linalg.svd(a)
    _, da = gradient(linalg.svdvals, a)
    assert_allclose(da, u[:, :2] @ v[:2], atol=1e-14)
    for f in (lambda a: ts.norm(a, -2), linalg.svdvals):
        assert_array_equal(gradient(f, np.zeros((3, 2)))[1], np.zeros((3, 2)))


def test_singular_vectors_of_0_have_a_finite_gradient():
    _, da = gradient(lambda a: linalg.svd(a, False).U * C, singular(2))
    assert np.all(np.isfinite(da))


def test_the_vectors_that_complete_a_basis_turn_with_it():
    """The projection on them is I minus that on the others, and so is its gradient minus theirs."""
    a = rng.normal(size=(4, 2))

    def inside(a):
        u = linalg.svd(a)[0][:, :2]
        return ts.sum(u @ u.T * C)

    for rest in (lambda a: linalg.svd(a)[0][:, 2:], lambda a: linalg.qr(a, "complete").Q[:, 2:]):
        _, da = gradient(lambda a, rest=rest: ts.sum(rest(a) @ rest(a).T * C), a)
        assert_allclose(da, -gradient(inside, a)[1], atol=1e-12)
    wide = lambda a: ts.sum(linalg.svd(a).Vh[2:].T @ linalg.svd(a).Vh[2:] * C)  # noqa: E731
    assert_allclose(gradient(wide, a.T)[1], -gradient(inside, a)[1].T, atol=1e-12)


# --- inverses -----------------------------------------------------------------------------------------


def test_a_singular_matrix_has_no_inverse():
    for f in (linalg.inv, lambda a: linalg.matrix_power(a, -1), lambda a: ts.solve(a, np.ones(2))):
        with pytest.raises(np.linalg.LinAlgError):
            f(leaf([[1.0, 2.0], [2.0, 4.0]]))


def test_pinv_along_matrices_of_one_rank():
    """Its derivative for a matrix without full rank, along directions that keep the rank, to second order."""
    left, right = rng.normal(size=(4, 2)), rng.normal(size=(2, 3))
    check_grad(lambda left, right: linalg.pinv(left @ right), left, right)
    for zero in (np.zeros((3, 2)), np.zeros((2, 0))):
        z, da = gradient(linalg.pinv, zero)
        assert_array_equal(z, zero.T)
        assert_array_equal(da, np.zeros_like(zero))


def test_pinv_turns_what_is_cut_off():
    """A singular value that is cut off need not be small; the vectors that are kept turn towards its own."""
    a = symmetric(0.1, 0.5, 2.0, 2.0) @ TURN
    check_grad(lambda a: linalg.pinv(a, rtol=0.3), a, order=1)
    check_grad(lambda a, b: linalg.lstsq(a, b, 0.3).x, a, C, order=1)


def test_lstsq_of_dependent_columns_gives_the_shortest_solution():
    a, b = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), np.array([1.0, 2.0, 4.0])
    found, expected = linalg.lstsq(leaf(a), leaf(b)), np.linalg.lstsq(a, b)
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.dtype) == (np.shape(other), np.asarray(other).dtype)
        assert_allclose(one.numpy(), other, atol=1e-14)
    assert found.x.requires_grad
    assert not found.rank.requires_grad


def test_dependent_columns_have_no_derivative_in_qr():
    x = leaf([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(np.linalg.LinAlgError):
        ts.grad(ts.sum(linalg.qr(x).R), x)


def test_the_condition_of_a_singular_matrix_is_infinite():
    with np.errstate(all="ignore"):
        for p in (None, 2, 1, "fro", INF):
            assert linalg.cond(leaf(np.zeros((2, 2))), p).item() == INF
            z, da = gradient(lambda a, p=p: linalg.cond(a, p), [[1.0, 0.0], [0.0, 0.0]])
            assert z == INF
            assert not np.any(np.isfinite(da) & (da != 0))


# --- what NumPy says --------------------------------------------------------------------------------------


@pytest.mark.host("nobody looks at the values on a device")
@pytest.mark.parametrize("f", [linalg.svd, linalg.svdvals, linalg.eigh, linalg.eigvalsh, linalg.pinv])
def test_infinities_and_nan_are_refused_by_what_iterates(f):
    for bad in (INF, NAN):
        with pytest.raises(np.linalg.LinAlgError, match="finite numbers"):
            f(leaf([[1.0, 0.0], [0.0, bad]]))


def test_results_have_numpys_names():
    a = leaf(np.eye(2))
    for found, expected in (
        (linalg.eigh(a), np.linalg.eigh(np.eye(2))),
        (linalg.svd(a), np.linalg.svd(np.eye(2))),
        (linalg.qr(a), np.linalg.qr(np.eye(2))),
        (linalg.slogdet(a), np.linalg.slogdet(np.eye(2))),
    ):
        assert (type(found).__name__, found._fields) == (type(expected).__name__, expected._fields)
        assert all(isinstance(part, ts.Tensor) for part in found)


def test_numpys_functions_answer_tensors():
    a = leaf([[2.0, 1.0], [1.0, 3.0]])
    assert np.linalg.eigh(a).eigenvalues.requires_grad
    assert_allclose(np.linalg.multi_dot([a, a, np.ones(2)]).numpy(), [10.0, 15.0])
    assert np.linalg.norm(a, "nuc").requires_grad
    assert_array_equal(np.linalg.trace(a).numpy(), 5.0)


def test_the_rank_of_a_vector_is_1_unless_it_is_0():
    for x in (np.array([0.0, 2.0]), np.zeros(2), np.array(NAN), np.zeros(0)):
        found = linalg.matrix_rank(ts.tensor(x))
        assert (found.item(), found.dtype) == (np.linalg.matrix_rank(x), np.int64)


@pytest.mark.parametrize(
    ("shapes", "least"),
    [
        ([(50, 50), (50, 50), (50,)], 2 * 50 * 50),  # the vector first; from the left it takes 50^3 more
        ([(50,), (50, 50), (50, 50)], 2 * 50 * 50),
        ([(2, 9), (9, 3), (3, 8), (8, 1)], 8 * 3 + 3 * 9 + 9 * 2),
    ],
)
def test_a_chain_is_multiplied_in_the_best_order(monkeypatch, shapes, least):
    made = []

    def matmul(x, y):
        made.append(x.size * y.size // x.shape[-1])
        return ts.matmul(x, y)

    monkeypatch.setattr(powers, "matmul", matmul)
    arrays = [rng.normal(size=shape) for shape in shapes]
    z = linalg.multi_dot(list(map(leaf, arrays)))
    assert sum(made) == least
    assert_allclose(z.numpy(), np.linalg.multi_dot(arrays), rtol=1e-12)


def test_norms_of_order_p_at_zero():
    """For p > 1 the gradient at the zero vector is 0; for p < 1 there is none where an element is 0."""
    for p in (1.5, 3):
        z, dx = gradient(lambda x, p=p: ts.norm(x, p), [0.0, 0.0])
        assert_array_equal([z, *dx], [0.0, 0.0, 0.0])
        _, dx = gradient(lambda x, p=p: ts.norm(x, p), [0.0, 2.0])
        assert_allclose(dx, [0.0, 1.0])
    _, dx = gradient(lambda x: ts.norm(x, 0.5), [0.0, 2.0])
    assert not np.isfinite(dx[0])


@pytest.mark.parametrize("ord", [None, 1, 2, INF, "nuc", "fro"])
def test_norms_of_nothing_are_0(ord):
    for shape in ((0, 0), (0, 2), (3, 0)):
        z, dx = gradient(lambda x: linalg.norm(x, ord, (0, 1)), np.zeros(shape))
        assert z == 0
        assert dx.shape == shape


def test_in_a_step_of_a_scan():
    """The functions run in a recorded loop, and have the gradients of the Python loop."""
    a, xs = symmetric(1.0, 2.0, 4.0, 7.0), rng.normal(size=(3, 4, 4))

    def step(a, x):
        b = 0.1 * x + a
        w, v = linalg.eigh(b)
        q, r = linalg.qr(b)
        u, s, vh = linalg.svd(b, False)
        y = linalg.det(b) + linalg.slogdet(b)[1] + ts.norm(b, "nuc") + linalg.cond(b) + ts.sum(linalg.pinv(b))
        return 0.5 * (q @ ts.abs(r) + (u * s) @ vh) + ts.square(v) * w, y

    def looped(a, xs):
        ys = []
        for x in xs:
            a, y = step(a, x)
            ys.append(y)
        return a, ts.stack(ys)

    results = []
    for run in (lambda a, xs: ts.scan(step, a, xs), looped):
        a_, xs_ = leaf(a), leaf(xs)
        last, ys = run(a_, xs_)
        results.append([last, ys, *ts.grad(ts.sum(last) + ts.sum(ts.tanh(ys)), [a_, xs_])])
    for one, other in zip(*results, strict=True):
        assert_allclose(one.numpy(), other.numpy(), rtol=1e-9, atol=1e-12)


def test_singular_matrices_on_a_device_are_noticed():
    with pytest.raises(np.linalg.LinAlgError):
        linalg.inv(doors.placed(np.zeros((2, 2))))
