"""Cross entropy against its definition, at its awkward points, and its errors."""

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)


def definition(logits, targets):
    """-log softmax(o)[y], one by one."""
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
        np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-12)
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
    np.testing.assert_allclose(
        logits.grad.numpy(), ts.softmax(logits).numpy() - np.eye(4)[[1, 0, 3]], atol=1e-15
    )


@pytest.mark.parametrize("index", [-100, 2, 7])
def test_ignored_targets_count_for_nothing(index):
    logits = ts.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    targets = np.array([0, index, 1, index])
    kept = nn.cross_entropy(logits[::2], targets[::2])
    loss = nn.cross_entropy(logits, targets, ignore_index=index)
    np.testing.assert_allclose(loss.item(), kept.item(), rtol=1e-14)
    ours, theirs = ts.grad(loss, logits), ts.grad(kept, logits)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-16)
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


def test_of_no_targets_it_is_zero():
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
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-12)
    loss.sum().backward()
    assert np.isfinite(logits.grad.numpy()).all()


def test_a_masked_class_has_no_gradient():
    logits = ts.tensor(np.array([[0.0, -np.inf, 1.0]]), requires_grad=True)
    loss = nn.cross_entropy(logits, np.array([2]))
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.log(1 + np.exp(-1)))
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
        (np.array([0]), ValueError, r"logits of shape \(2, 3\), \(\.\.\., C\), need targets of shape"),
        (np.array([[0], [1]]), ValueError, r"not \(2, 1\)"),
        (np.eye(3)[:2], ValueError, r"not \(2, 3\)"),
    ]:
        with pytest.raises(kind, match=words):
            nn.cross_entropy(logits, targets)
        with pytest.raises(kind, match=words):
            nn.cross_entropy(logits, ts.tensor(targets), ignore_index=99)
    with pytest.raises(ValueError, match="reduction"):
        nn.cross_entropy(logits, np.array([0, 1]), reduction="average")
    with pytest.raises(ValueError, match="need targets"):
        nn.cross_entropy(ts.tensor(1.0), np.array(0))
