"""Jacobians of the steps, compared with single steps, differences and equations; bounds; and pictures."""

import itertools

import doors
import numpy as np
import pytest
from doors import costs
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from results import assert_allclose, assert_array_equal
from running import CELLS, SMOOTH, H, I, each, is_float, loss_by, parts, problem

import tinygrad_seq as ts
from tinygrad_seq import nn

EPS = 1e-6
FIBONACCI = [[0.0, 1.0], [1.0, 1.0]]
RATIO = np.array([(1 - 5**0.5) / 2, (1 + 5**0.5) / 2])


def row(state):
    """The float parts of the state of one row, concatenated."""
    return np.concatenate([part.numpy()[0].ravel() for part in filter(is_float, parts(state))])


def states_of(cell, xs, state):
    """s_0 ... s_T, one step at a time."""
    return list(itertools.accumulate(xs, lambda s, x: cell(s, x)[0], initial=state))


def one(state, b):
    """The state of row b, detached."""
    return each(lambda part: part[b : b + 1].detach(), state)


# --- the Jacobians --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CELLS)
def test_they_are_the_jacobian_of_each_step(kind):
    """By `ts.jacobian`, for every step and row separately."""
    cell, xs, state, _ = problem(kind, 3, 2)
    found = nn.step_jacobians(cell, xs, state=state)
    assert found.line is None
    assert found.dtype == np.float64
    before = states_of(cell, xs, state)
    for t, b in itertools.product(range(3), range(2)):
        given = one(before[t], b)
        moving = [p for p in parts(given) if is_float(p)]

        def step(*values, given=given, t=t, b=b):
            values = iter(values)
            after, _ = cell(each(lambda p: next(values) if is_float(p) else p, given), xs[t, b : b + 1])
            return [p for p in parts(after) if is_float(p)]

        blocks = ts.jacobian(step, *moving)
        blocks = [of_part if isinstance(of_part, tuple) else (of_part,) for of_part in blocks]
        sizes = [p.size for p in moving]
        expected = np.block(
            [
                [block.numpy().reshape(size, -1) for block in of_part]
                for of_part, size in zip(blocks, sizes, strict=True)
            ]
        )
        assert_allclose(found.numpy()[t, b], expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("kind", SMOOTH)
def test_they_are_slopes_of_the_step(kind):
    """By central differences, from random states, which are not near a discontinuity of a derivative.

    Cells that choose have other derivatives, which leave out what depends on the choice.

    A spike has no derivative: in the liquid state machine only the columns of r are compared.
    """
    cell, xs, state, _ = problem(kind, 2, 2)
    found = nn.step_jacobians(cell, xs, state=state).numpy()
    before = states_of(cell, xs, state)
    spiking = isinstance(cell, nn.LiquidStateCell)
    for t, b in itertools.product(range(2), range(2)):
        s, x = one(before[t], b), xs[t, b : b + 1]
        size = len(row(s))
        columns = []
        for j in range(size):
            ends = []
            for nudge in (EPS, -EPS):
                moved, values = row(s), []
                moved[j] += nudge
                for part in filter(is_float, parts(s)):
                    values.append(ts.tensor(moved[: part.size].reshape(part.shape)))
                    moved = moved[part.size :]
                values = iter(values)
                ends.append(row(cell(each(lambda p, v=values: next(v) if is_float(p) else p, s), x)[0]))
            columns.append((ends[0] - ends[1]) / (2 * EPS))
        of = slice(2 * H, None) if spiking else slice(None)
        assert_allclose(found[t, b][:, of], np.stack(columns, 1)[:, of], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_of_the_vanilla_network_they_are_slopes_times_weights(activation):
    """J_t = D_t Wh', in rows: dL/dh_{t-1} = dL/dh_t D_t Wh'."""
    cell = nn.RNNCell(I, H, activation=activation, rng=0, dtype=np.float64)
    xs = np.random.default_rng(0).normal(size=(4, 2, I))
    hs = nn.Recurrent(cell)(xs)[0].numpy()
    slopes = 1 - hs**2 if activation == "tanh" else 1.0 * (hs > 0)
    assert_allclose(nn.step_jacobians(cell, xs), slopes[..., None] * cell.Wh.numpy().T, rtol=1e-12)


@pytest.mark.parametrize(("steps", "batch"), [(4, 2), (1, 2), (4, 1), (1, 1)])
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.SkipCell, nn.CELLS["clockwork RNN"]])
def test_multiplied_back_they_give_the_flow(kind, everywhere, steps, batch):
    """dL/ds_{t-1} = dL_{t-1}/ds_{t-1} + dL/ds_t J_t; the first term is 0 for a loss on only the last state."""
    cell, xs, state, (weights, _) = problem(kind, steps, batch)
    if not everywhere:
        weights[:-1] = 0
    flow = nn.gradient_flow(cell, xs, loss_by(weights), state=state)
    jacobians = nn.step_jacobians(cell, xs, state=state).numpy()
    ys = next(p.numpy() for p in parts(flow.states))[1:]
    back = np.zeros((batch, jacobians.shape[-1]))
    for t in reversed(range(steps)):
        back[:, :H] += weights[t] * ys[t]
        assert_allclose(ts.concatenate(flow.gradients, axis=-1).numpy()[t], back, rtol=1e-10, atol=1e-14)
        back = np.einsum("bi,bij->bj", back, jacobians[t])


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.SkipCell, nn.CELLS["clockwork RNN"]])
def test_without_a_state_they_start_at_the_initial_one(kind):
    cell, xs, state, _ = problem(kind, 3, 2)
    start = each(ts.zeros_like, state)
    assert_array_equal(nn.step_jacobians(cell, xs.numpy()), nn.step_jacobians(cell, xs, state=start))


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.CELLS["clockwork RNN"]])
def test_no_rows_have_no_jacobians_and_no_steps_are_refused(kind):
    cell, size = kind(I, H, rng=0), 2 * H if kind is nn.LSTMCell else H
    found = nn.step_jacobians(cell, np.zeros((3, 0, I), np.float32))
    assert found.shape == (3, 0, size, size)
    values = nn.singular_values(found)
    assert values.shape == (3, 0, size)
    assert nn.product_bound(np.zeros((3, 0)), values[..., 0]).shape == (3, 0)
    with pytest.raises(ValueError, match="at least one time step"):
        nn.step_jacobians(cell, np.zeros((0, 2, I), np.float32))


def test_a_nan_stays_in_its_row_and_goes_on_from_its_step():
    cell, xs = nn.GRUCell(I, H, rng=0), np.ones((4, 2, I), np.float32)
    whole = nn.step_jacobians(cell, xs).numpy()
    xs[2, 1] = np.nan
    found = nn.step_jacobians(cell, xs)
    assert_array_equal(
        np.isnan(found.numpy()).any((-2, -1)), [[False, False], [False, False], *[[False, True]] * 2]
    )
    assert_array_equal(found.numpy()[:, 0], whole[:, 0])
    values = nn.singular_values(found)
    assert_array_equal(np.isnan(values), np.isnan(found.numpy()).any((-2, -1))[..., None] & np.ones(H, bool))
    assert_array_equal(values[:, 0], nn.singular_values(whole)[:, 0])


def test_they_keep_float32_and_leave_gradients_alone():
    cell, xs = nn.LSTMCell(I, H, rng=0), ts.ones((3, 2, I))
    assert nn.step_jacobians(cell, xs).dtype == np.float32
    assert all(p.grad is None for p in cell.parameters())


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_they_wait_for_nothing():
    """One upload: the identity, whose rows are the cotangents."""
    with doors.open_doors():
        cell, xs = nn.LSTMCell(I, H, rng=0).to("cuda"), ts.ones((3, 2, I), device="cuda")
        nn.step_jacobians(cell, xs)  # compiles
        with costs(uploads=1):
            assert nn.step_jacobians(cell, xs).device == "cuda:0"


# --- singular values and bounds -------------------------------------------------------------------------


def test_singular_values_are_roots_of_the_eigenvalues_of_squares():
    matrices = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    squares = np.linalg.eigvalsh(np.swapaxes(matrices, -2, -1) @ matrices)[..., ::-1]
    assert_allclose(nn.singular_values(ts.tensor(matrices)), np.sqrt(squares), rtol=1e-9)
    for wrong in (np.nan, np.inf):
        matrices[1, 0, 2, 3] = wrong
        found = nn.singular_values(matrices)
        assert np.isnan(found[1, 0]).all()
        assert np.isfinite(found).sum() == found.size - 4


def test_the_bound_is_a_product_of_the_factors_after_a_step():
    rng = np.random.default_rng(0)
    norms, factors = rng.uniform(size=(5, 3)), rng.uniform(size=(5, 3))
    expected = [norms[-1] * np.prod(factors[t + 1 :], axis=0) for t in range(5)]
    assert_allclose(nn.product_bound(norms, factors), np.array(expected), rtol=1e-12)
    assert_array_equal(nn.product_bound(norms[:1], factors[:1]), norms[:1])
    assert_array_equal(nn.product_bound([[0.0]] * 3, [[1e200]] * 3), np.zeros((3, 1)))
    assert_array_equal(nn.product_bound([[1.0]] * 3, [[1e200]] * 3), [[np.inf], [1e200], [1.0]])
    with pytest.raises(ValueError, match=r"norms and factors of one shape \(T, B\), got \(5, 3\) and \(4, 3\)"):
        nn.product_bound(norms, factors[1:])


def bounded(cell, xs, loss):
    """|dL/dh_t| and its bound, (T, B) each."""
    norms = nn.gradient_flow(cell, xs, loss).norms().numpy()
    return norms, nn.product_bound(norms, nn.singular_values(nn.step_jacobians(cell, xs))[..., 0])


SOME = {
    "RNN": nn.RNNCell,
    "relu": nn.CELLS["rectified RNN"],
    "leaky": nn.CELLS["leaky RNN"],
    "skip": nn.SkipCell,
    "clockwork": nn.CELLS["clockwork RNN"],
    "LSTM": nn.LSTMCell,
    "GRU": nn.GRUCell,
}


@given(
    kind=st.sampled_from(sorted(SOME)),
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 8),
    scale=st.floats(0.1, 10.0),
)
def test_the_bound_holds_for_a_loss_on_the_last_state(kind, seed, steps, scale):
    rng = np.random.default_rng(seed)
    cell = SOME[kind](I, H, rng=rng, dtype=np.float64)
    for p in cell.parameters():
        p.assign_(p.numpy() * (1 if kind == "leaky" and p is cell.rate else scale))
    weights = rng.normal(size=(2, H))
    norms, bound = bounded(cell, rng.normal(size=(steps, 2, I)), lambda ys: (ys[-1] * weights).sum())
    assert (norms <= bound * (1 + 1e-9) + 1e-300).all()
    assert_array_equal(norms[-1], bound[-1])


def test_the_bound_is_exact_where_all_steps_stretch_alike():
    """Wh is half a rotation, and relu has large inputs: every J_t is Wh' and halves the length of a vector."""
    cell = nn.RNNCell(H, H, activation="relu", rng=0, dtype=np.float64)
    cell.Wh.assign_(0.5 * nn.init.orthogonal((H, H), rng=0, dtype=np.float64))
    cell.Wx.assign_(100.0 * np.eye(H))
    norms, bound = bounded(cell, np.ones((6, 2, H)), lambda ys: ys[-1].sum())
    assert_allclose(bound, norms, rtol=1e-12)
    assert_allclose(norms[0] / norms[-1], np.full(2, 0.5**5), rtol=1e-12)


def test_the_bound_need_not_hold_for_a_loss_on_earlier_states():
    """Here most of dL/dh_1 comes from the loss of step 1, and does not flow back through h_T."""
    cell = nn.RNNCell(I, H, rng=0, dtype=np.float64)
    norms, bound = bounded(cell, np.ones((4, 2, I)), lambda ys: ys[0].sum() + 1e-3 * ys[-1].sum())
    assert (norms[0] > bound[0]).all()
    assert (norms[1:] <= bound[1:] * (1 + 1e-9)).all()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_lectures_factors_are_those_of_slopes_and_weights_apart(activation):
    """sigma_max(D_t) is the largest slope; the product is at least sigma_max(J_t)."""
    cell = nn.RNNCell(I, H, activation=activation, rng=0, dtype=np.float64)
    xs = np.random.default_rng(1).normal(size=(5, 3, I))
    hs = nn.Recurrent(cell)(xs)[0]
    slopes = 1 - hs.numpy() ** 2 if activation == "tanh" else np.sign(hs.numpy())
    diagonals = slopes[..., None] * np.eye(H)
    expected = np.linalg.norm(diagonals, 2, axis=(-2, -1)) * np.linalg.norm(cell.Wh.numpy(), 2)
    found = nn.separate_factors(cell, hs)
    assert_allclose(found, expected, rtol=1e-12)
    tight = nn.singular_values(nn.step_jacobians(cell, xs))[..., 0]
    assert (found >= tight * (1 - 1e-12)).all()
    norms = nn.gradient_flow(cell, xs, lambda ys: ys[-1].sum()).norms()
    assert (nn.product_bound(norms, found) >= nn.product_bound(norms, tight) * (1 - 1e-12)).all()


def test_the_lectures_factors_are_of_the_vanilla_network_alone():
    with pytest.raises(
        TypeError, match="needs an RNNCell, whose Jacobian is a product of slopes and one matrix, got a GRU"
    ):
        nn.separate_factors(nn.GRUCell(I, H, rng=0), np.zeros((3, 2, H)))


# --- powers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", [FIBONACCI, np.diag(RATIO)])
def test_the_lectures_eigenvalues_to_the_tenth_power(matrix):
    found = nn.eigenvalue_powers(matrix, 10)
    assert found.shape == (11, 2)
    assert_allclose(found[1], RATIO, rtol=1e-12)
    assert_array_equal(found[1].round(4), [-0.618, 1.618])
    assert_array_equal(found[10].round(4), [0.0081, 122.9919])
    assert_array_equal(found[0], [1.0, 1.0])


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 6), symmetric=st.booleans())
def test_powers_of_eigenvalues_are_eigenvalues_of_powers(seed, size, symmetric):
    """By quantities independent of their order: trace W^t = sum lambda^t, det W^t = prod lambda^t."""
    w = np.random.default_rng(seed).normal(size=(size, size))
    w = w + w.T if symmetric else w
    found = nn.eigenvalue_powers(ts.tensor(w), 5)
    for t in range(6):
        power = np.linalg.matrix_power(w, t)
        scale = max(1.0, np.linalg.norm(w, 2) ** t)
        assert_allclose(found[t].sum(), np.trace(power), rtol=1e-9, atol=1e-9 * scale)
        assert_allclose(found[t].prod(), np.linalg.det(power), rtol=1e-6, atol=1e-9 * scale**size)
    assert not symmetric or (np.diff(found[1]) >= 0).all()


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 6), steps=st.integers(0, 10))
def test_by_its_eigenvectors_a_recurrence_is_the_product_itself(seed, size, steps):
    rng = np.random.default_rng(seed)
    w, h = rng.normal(size=(size, size)), rng.normal(size=size)
    w = w + w.T
    expected = list(itertools.accumulate(range(steps), lambda h, _: h @ w, initial=h))
    scale = np.linalg.norm(h) * max(1.0, np.linalg.norm(w, 2) ** steps)
    assert_allclose(nn.linear_recurrence(w, ts.tensor(h), steps), np.array(expected), atol=1e-12 * scale)


def test_a_recurrence_by_orthogonal_eigenvectors_asks_for_a_symmetric_matrix():
    with pytest.raises(ValueError, match="needs a symmetric W, so that W = Q L Q' with an orthogonal Q, got"):
        nn.linear_recurrence([[0.0, 1.0], [0.0, 1.0]], [1.0, 1.0], 3)


# --- pictures -------------------------------------------------------------------------------------------


def lines(axes):
    assert axes.get_yscale() == "log"
    return [line.get_xydata() for line in axes.lines]


def test_pictures_show_medians_over_the_batch():
    axes, values = Figure().subplots(2), np.random.default_rng(0).uniform(1, 2, (7, 5, 3))
    nn.pictures.norms(axes[0], ts.tensor(values[..., 0]), color="red", label="one")
    nn.pictures.singular_values(axes[1], np.sort(values)[..., ::-1], color="blue", label="two")
    (line,), pair = map(lines, axes)
    assert_array_equal(line[:, 0], np.arange(1, 8))
    assert_array_equal(line[:, 1], np.median(values[..., 0], axis=1))
    assert_array_equal(pair[0][:, 1], np.median(values.max(-1), axis=1))
    assert_array_equal(pair[1][:, 1], np.median(values.min(-1), axis=1))
    assert [line.get_color() for line in (*axes[0].lines, *axes[1].lines)] == ["red", "blue", "blue"]
    assert [line.get_linestyle() for line in axes[1].lines] == ["-", ":"]
    assert [len(a.get_legend_handles_labels()[1]) for a in axes] == [1, 1]


def test_a_picture_of_powers_has_a_line_for_each_eigenvalue():
    axes = Figure().subplots()
    nn.pictures.powers(axes, nn.eigenvalue_powers([[0.0, 1.0], [-1.0, 1.0]], 6))
    for line in lines(axes):
        assert_array_equal(line[:, 0], np.arange(7))
        assert_allclose(line[:, 1], np.ones(7), rtol=1e-12)
    assert len(axes.lines) == 2


@pytest.mark.parametrize("steps", [1, 4])
def test_pictures_of_one_row_of_one_unit_and_of_nan_and_zero(steps):
    figure, values = Figure(), np.full((steps, 1, 1), 0.5)
    axes = figure.subplots()
    for wrong in (0.5, 0.0, np.nan):
        values[0] = wrong
        nn.pictures.norms(axes, values[..., 0])
        nn.pictures.singular_values(axes, values)
    figure.canvas.draw()
    found = np.array(lines(axes))[:, :, 1]
    assert_array_equal(found[:, 0], np.repeat([0.5, 0.0, np.nan], 3))
    assert_array_equal(found[:, 1:], np.full((9, steps - 1), 0.5))


def test_an_alignment_has_a_row_for_each_symbol_written_and_a_column_for_each_read(tmp_path):
    figure, weights = Figure(), np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]])
    for axes, alpha in zip(figure.subplots(2), (weights, ts.tensor(weights)), strict=True):
        nn.pictures.alignment(axes, alpha, ["x", "y", "z"], ["b", "a"])
        (image,) = axes.images
        assert_array_equal(np.asarray(image.get_array()), weights)
        assert image.cmap(image.norm(np.array([0.0, 1.0]))).tolist() == [[0, 0, 0, 1], [1, 1, 1, 1]]
        left, right, below, above = image.get_extent()
        assert (left, right, below, above) == (-0.5, 2.5, 1.5, -0.5)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    figure.savefig(tmp_path / "alignment.png")


def test_an_attended_image_is_bright_where_the_patches_with_weight_are():
    """Patches of 2 x 2 pixels every pixel: the weight of a pixel is the sum of those that cover it."""
    rng, figure = np.random.default_rng(0), Figure()
    weights, image = rng.random(6), rng.random((3, 4, 3))  # 2 x 3 patches
    for axes, shown in zip(figure.subplots(2), (image, image[..., 0]), strict=True):
        nn.pictures.attended(axes, shown, ts.tensor(weights), 2, 1)
        heat = np.zeros((3, 4))
        for n, (row, column) in enumerate(np.ndindex(2, 3)):
            heat[row : row + 2, column : column + 2] += weights[n]
        brightness = (0.2 + 0.8 * heat / heat.max())[..., None]
        expected = brightness * (shown if shown.ndim == 3 else shown[..., None].repeat(3, -1))
        (drawn,) = axes.images
        assert_allclose(np.asarray(drawn.get_array()), expected, rtol=1e-12)
    nn.pictures.attended(axes, image, np.zeros(6), 2, 1)  # without any attention
    assert_allclose(np.asarray(axes.images[-1].get_array()), 0.2 * image, rtol=1e-12)
    with pytest.raises(ValueError, match=r"attended needs weights \(6,\), one for each patch, got \(5,\)"):
        nn.pictures.attended(axes, image, weights[:5], 2, 1)


def test_an_alignment_shows_symbols_of_any_script(tmp_path):
    """A missing glyph would be a warning, which is an error here; so would be a broken formula."""
    figure = Figure()
    axes = figure.subplots()
    written = ["\u044f", "\u0639", "\u65e5", " ", "$}$", "\n"]
    nn.pictures.alignment(axes, np.full((6, 2), 0.5), ["the", ""], written)
    figure.savefig(tmp_path / "alignment.png")
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == ["\u044f", "\u0639", "U+65E5", "\u2423", "$}$", "U+000A"]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {90}


def test_an_alignment_of_other_symbols_is_refused():
    with pytest.raises(
        ValueError, match=r"needs weights \(2, 3\) for 2 symbols written and 3 symbols read, got \(3, 2\)"
    ):
        nn.pictures.alignment(Figure().subplots(), np.ones((3, 2)), "xyz", "ab")
