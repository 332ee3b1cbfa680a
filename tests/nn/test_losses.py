"""Losses compared with their definitions, at extreme values too; their errors."""

import doors
import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.nn import losses
from tinygrad_seq.testing import check_grad, check_primitive

rng = np.random.default_rng(0)


def definition(logits, targets):
    """-log softmax(o)[y], one target at a time."""
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    out = np.empty(targets.shape)
    for i in np.ndindex(targets.shape):
        out[i] = -np.log(p[i][targets[i]])
    return out


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (4, 1, 2)])
@pytest.mark.parametrize("kind", [np.asarray, ts.tensor])
def test_reductions(shape, kind):
    logits, targets = rng.normal(size=(*shape, 4)), rng.integers(0, 4, shape)
    each = definition(logits, targets)
    for reduction, expected in ("none", each), ("sum", each.sum()), ("mean", each.mean()):
        loss = nn.cross_entropy(ts.tensor(logits), kind(targets), reduction=reduction)
        assert_allclose(loss.numpy(), expected, rtol=1e-12)
    assert nn.cross_entropy(ts.tensor(logits), kind(targets)).shape == ()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_derivatives_to_second_order(reduction):
    targets = np.array([[0, 3], [2, 2], [-1, 1]])
    check_grad(
        lambda o: nn.cross_entropy(o, targets, ignore_index=-1, reduction=reduction), rng.normal(size=(3, 2, 4))
    )


def test_the_gradient_is_softmax_minus_one_hot():
    logits = ts.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    nn.cross_entropy(logits, np.array([1, 0, 3]), reduction="sum").backward()
    assert_allclose(logits.grad.numpy(), ts.softmax(logits).numpy() - np.eye(4)[[1, 0, 3]], atol=1e-15)


@pytest.mark.parametrize("index", [-100, 2, 7])
def test_ignored_targets_count_for_nothing(index):
    logits = ts.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    targets = np.array([0, index, 1, index])
    kept = nn.cross_entropy(logits[::2], targets[::2])
    loss = nn.cross_entropy(logits, targets, ignore_index=index)
    assert_allclose(loss.item(), kept.item(), rtol=1e-14)
    ours, theirs = ts.grad(loss, logits), ts.grad(kept, logits)
    assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-16)
    none = nn.cross_entropy(logits, targets, ignore_index=index, reduction="none")
    assert (none.numpy()[1::2] == 0).all()


@pytest.mark.parametrize("values", [0.0, 1e4, -np.inf, np.inf, np.nan])
def test_where_all_targets_are_ignored_loss_and_gradient_are_zero(values):
    logits = ts.tensor(np.full((2, 3), values), requires_grad=True)
    with np.errstate(invalid="ignore"):
        loss = nn.cross_entropy(logits, np.array([-1, -1]), ignore_index=-1)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad.numpy() == 0).all()


def test_without_targets_it_is_zero():
    logits = ts.tensor(np.zeros((0, 3)), requires_grad=True)
    loss = nn.cross_entropy(logits, np.zeros(0, int))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.shape == (0, 3)


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_it_is_stable(scale):
    logits = ts.tensor(np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]]), requires_grad=True)
    loss = nn.cross_entropy(logits, np.array([0, 0]), reduction="none")
    expected = [0.0, 1e4] if scale > 0 else [1e4 + np.log(2), np.log(2)]
    assert_allclose(loss.numpy(), expected, rtol=1e-12)
    loss.sum().backward()
    assert np.isfinite(logits.grad.numpy()).all()


def test_a_masked_class_has_no_gradient():
    logits = ts.tensor(np.array([[0.0, -np.inf, 1.0]]), requires_grad=True)
    loss = nn.cross_entropy(logits, np.array([2]))
    loss.backward()
    assert_allclose(loss.item(), np.log(1 + np.exp(-1)))
    assert logits.grad.numpy()[0, 1] == 0


def test_float32_stays():
    logits = ts.tensor(np.zeros((2, 3), np.float32), requires_grad=True)
    loss = nn.cross_entropy(logits, np.array([0, -1]), ignore_index=-1)
    loss.backward()
    assert loss.dtype == logits.grad.dtype == np.float32


def test_errors():
    logits = ts.tensor(np.zeros((2, 3)))
    for targets, kind, words in [
        (np.array([0.0, 1.0]), TypeError, "targets must be integers, not float64"),
        (np.array([True, False]), TypeError, "targets must be integers, not bool"),
        (np.array([0, 3]), IndexError, r"targets must lie within 0 \.\.\. 2; the smallest is 0, the largest 3"),
        (np.array([-1, 0]), IndexError, "the smallest is -1"),
        (
            np.array([0]),
            ValueError,
            r"needs logits \(\.\.\., C\) and targets \(\.\.\.\), got logits of shape \(2, 3\)",
        ),
        (np.array([[0], [1]]), ValueError, r"and targets of shape \(2, 1\)"),
        (np.eye(3)[:2], ValueError, r"and targets of shape \(2, 3\)"),
    ]:
        with pytest.raises(kind, match=words):
            nn.cross_entropy(logits, targets)
        if doors.NAME != "numpy" and kind is IndexError:  # values on a device are not checked
            assert np.isnan(nn.cross_entropy(logits, ts.tensor(targets), ignore_index=99).item())
            continue
        with pytest.raises(kind, match=words):
            nn.cross_entropy(logits, ts.tensor(targets), ignore_index=99)
    with pytest.raises(ValueError, match="reduction"):
        nn.cross_entropy(logits, np.array([0, 1]), reduction="average")
    with pytest.raises(ValueError, match=r"got logits of shape \(\) and targets"):
        nn.cross_entropy(ts.tensor(1.0), np.array(0))


# --- label smoothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_label_smoothing_spreads_the_target_over_all_classes(smoothing):
    logits, targets = rng.normal(size=(2, 3, 4)), rng.integers(0, 4, (2, 3))
    q = (1 - smoothing) * np.eye(4)[targets] + smoothing / 4
    each = -(q * ts.log_softmax(ts.tensor(logits)).numpy()).sum(axis=-1)
    for reduction, expected in ("none", each), ("sum", each.sum()), ("mean", each.mean()):
        loss = nn.cross_entropy(ts.tensor(logits), targets, label_smoothing=smoothing, reduction=reduction)
        assert_allclose(loss.numpy(), expected, rtol=1e-12)
    check_grad(lambda o: nn.cross_entropy(o, targets, label_smoothing=smoothing), logits)


def test_label_smoothing_with_ignored_targets():
    logits, targets = ts.tensor(rng.normal(size=(3, 4)), requires_grad=True), np.array([1, -1, 3])
    smooth = {"label_smoothing": 0.2}
    loss = nn.cross_entropy(logits, targets, ignore_index=-1, **smooth)
    kept = nn.cross_entropy(logits[[0, 2]], targets[[0, 2]], **smooth)
    assert_allclose(loss.item(), kept.item(), rtol=1e-14)
    assert (ts.grad(loss, logits).numpy()[1] == 0).all()


def test_without_smoothing_a_masked_class_costs_nothing():
    logits = ts.tensor(np.array([[0.0, -np.inf, 0.0]]))
    assert_allclose(nn.cross_entropy(logits, [0], label_smoothing=0.0).item(), np.log(2))


@pytest.mark.parametrize("smoothing", [1, -0.1, np.nan])
def test_label_smoothing_is_below_1(smoothing):
    with pytest.raises(ValueError, match="label_smoothing"):
        nn.cross_entropy(ts.tensor(np.zeros((2, 3))), np.array([0, 1]), label_smoothing=smoothing)


# --- losses whose predictions and targets have the same shape -----------------------------------------


def bce(o, y):
    p = 1 / (1 + np.exp(-o))
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def huber(x, y):
    d = np.abs(x - y)
    return np.where(d <= 1, d * d / 2, d - 0.5)


ALIKE = {nn.binary_cross_entropy_with_logits: bce, nn.mse: lambda x, y: (x - y) ** 2, nn.huber: huber}
each_loss = pytest.mark.parametrize("loss", ALIKE, ids=lambda f: f.__name__)


@each_loss
@pytest.mark.parametrize("shape", [(), (5,), (2, 1, 3)])
@pytest.mark.parametrize("kind", [np.asarray, ts.tensor])
def test_reductions_of_the_definition(loss, shape, kind):
    x, y = 3 * rng.normal(size=shape), rng.uniform(size=shape)
    each = ALIKE[loss](x, y)
    for reduction, expected in ("none", each), ("sum", each.sum()), ("mean", each.mean()):
        found = loss(ts.tensor(x), kind(y), reduction=reduction)
        assert_allclose(found.numpy(), expected, rtol=1e-10)
    assert_allclose(loss(x, kind(y)).numpy(), each.mean(), rtol=1e-10)


@each_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_derivatives_by_predictions_and_targets_to_second_order(loss, reduction):
    x, y = np.array([[-2.0, 0.3, 4.0], [0.1, -0.2, 1.7]]), np.array([[0.1, 0.9, 0.5], [0.8, 0.3, 0.2]])
    check_grad(lambda x, y: loss(x, y, reduction=reduction), x, y)


@each_loss
def test_targets_are_cast_to_the_dtype_of_the_predictions(loss):
    x = ts.tensor(np.array([0.5, -1.0], np.float32), requires_grad=True)
    expected = loss(x, np.array([1, 0], np.float32))
    assert expected.dtype == np.float32
    for kind in (bool, np.int64, np.float64):
        found = loss(x, np.array([1, 0], kind))
        assert found.dtype == np.float32
        assert found.item() == expected.item()
    found.backward()
    assert x.grad.dtype == np.float32


@each_loss
def test_without_elements_the_mean_is_zero(loss):
    x = ts.tensor(np.zeros((0, 3)), requires_grad=True)
    found = loss(x, np.zeros((0, 3)))
    found.backward()
    assert found.item() == 0
    assert x.grad.shape == (0, 3)


@each_loss
def test_targets_are_not_broadcast(loss):
    x = ts.tensor(np.zeros((4, 1)))
    for shape in [(4,), (1, 4), (1,), (), (4, 1, 1)]:
        with pytest.raises(ValueError, match=r"shape of the predictions, \(4, 1\), not"):
            loss(x, np.zeros(shape))
    with pytest.raises(TypeError, match="predictions must be floats, not int64"):
        loss(np.array([1, 2]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="reduction"):
        loss(x, np.zeros((4, 1)), reduction="average")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_is_stable(dtype):
    o = ts.tensor(np.array([1e4, 1e4, -1e4, -1e4, 1e4, 0.0], dtype), requires_grad=True)
    y = np.array([1, 0, 1, 0, 0.25, 0.25])
    loss = nn.binary_cross_entropy_with_logits(o, y, reduction="none")
    assert_allclose(loss.numpy(), [0, 1e4, 1e4, 0, 7500, np.log(2)], rtol=1e-6)
    loss.sum().backward()
    assert_allclose(o.grad.numpy(), [0, 1, -1, 0, 0.75, 0.25], rtol=1e-6)


def test_binary_cross_entropy_keeps_small_losses():
    """log(1 + e^-30) to full precision for both signs: no difference of large numbers is computed."""
    found = nn.binary_cross_entropy_with_logits(np.array([30.0, -30.0]), np.array([1, 0]), reduction="none")
    assert_allclose(found.numpy(), np.log1p(np.exp(-30)), rtol=1e-14)


@pytest.mark.parametrize("delta", [0.5, 2.0])
def test_huber_is_squared_within_delta_and_linear_beyond(delta):
    d = np.array([-5.0, -delta, -0.1, 0.0, 0.1, delta, 5.0, 1e30])
    x, y = ts.tensor(d, requires_grad=True), np.zeros(8)
    loss = nn.huber(x, y, delta=delta, reduction="none")
    linear = delta * (np.abs(d) - delta / 2)
    assert_allclose(loss.numpy(), np.where(np.abs(d) <= delta, d * d / 2, linear), rtol=1e-14)
    loss.sum().backward()
    assert_allclose(x.grad.numpy(), np.clip(d, -delta, delta), rtol=1e-14)


@pytest.mark.parametrize("delta", [0, -1.0, np.nan])
def test_delta_is_positive(delta):
    with pytest.raises(ValueError, match=r"huber needs a number delta in \(0, inf\), got"):
        nn.huber(np.zeros(2), np.zeros(2), delta=delta)


def test_the_op_of_huber_obeys_the_laws():
    check_primitive(losses.HUBER)


def test_huber_is_exact_near_0():
    """Its gradient there is d itself, also where d is lost next to delta."""
    x = ts.tensor([1e-30, -1e-12], requires_grad=True)
    (grad,) = ts.grad(nn.huber(x, np.zeros(2, np.float32), reduction="sum"), [x])
    assert_allclose(grad.numpy(), x.numpy())


@pytest.mark.parametrize("form", [np.asarray, ts.tensor, np.ndarray.tolist], ids=["array", "tensor", "list"])
def test_ignored_targets_may_be_out_of_range_in_any_form(form):
    logits, targets = np.log([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]), np.array([0, -100])
    loss = nn.cross_entropy(logits, form(targets), ignore_index=-100)
    assert_allclose(loss, np.log(2), rtol=1e-12)
    if doors.NAME != "numpy" and form is ts.tensor:  # not checked there, so that nothing waits
        assert np.isnan(nn.cross_entropy(logits, form(targets), ignore_index=-1).item())
        return
    with pytest.raises(IndexError, match=r"targets must lie within 0 \.\.\. 2"):
        nn.cross_entropy(logits, form(targets), ignore_index=-1)
