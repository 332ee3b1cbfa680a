"""Values that may change between forward and backward, because the tape holds a copy or needs none.

Each derivative here is the right one, that of the values that the forward pass saw. The ways that are errors
are in `test_changed_values.py`.
"""

import numpy as np
import pytest
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def test_a_step_between_when_no_rule_reads_what_changed():
    """The input is a constant: the weight's rule reads the input, the bias's nothing."""
    layer = nn.Linear(3, 2, rng=0, dtype=np.float64)
    loss = ts.sum(layer(np.full((4, 3), 2.0)))
    layer.weight.grad = np.ones((3, 2))
    optim.SGD([layer.weight], lr=0.1).step()
    layer.zero_grad()
    loss.backward()
    assert_array_equal(layer.weight.grad.numpy(), np.full((3, 2), 8.0))
    assert_array_equal(layer.bias.grad.numpy(), [4.0, 4.0])


@pytest.mark.parametrize(
    "use",
    [
        lambda w, a: w * a,
        lambda w, a: a * w,
        lambda w, a: np.multiply(a, w),
        lambda w, a: w / a,
        lambda w, a: ts.power(w, a),
        lambda w, a: w @ a,
        lambda w, a: ts.where(a > 1.5, w, 0.0) * a,
        lambda w, a: w[(a > 1.5)] * 2.0,
        lambda w, a: w[a.astype(int) - 1] * 3.0,
        lambda w, a: ts.take(w, a.astype(int) - 1) * w,
        lambda w, a: ts.maximum(w, a) * 2.0,
        lambda w, a: ts.clip(w, a, None) * 2.0,
        lambda w, a: ts.einsum("i,i->i", w, a),
        lambda w, a: nn.mse(w, a) * 1.0,
    ],
)
def test_an_array_operand_that_its_owner_changes(use):
    a, w = np.array([1.0, 2.0]), leaf([3.0, 4.0])
    use(w, a.copy()).sum().backward()
    expected, w.grad = w.grad.numpy(), None
    loss = use(w, a).sum()
    a[...] = 100.0
    loss.backward()
    assert_array_equal(w.grad.numpy(), expected)


def test_targets_lengths_and_state_that_their_owner_changes():
    rng = np.random.default_rng(0)
    xs, logits = rng.normal(size=(5, 2, 3)), leaf(rng.normal(size=(2, 3)))
    targets, lengths, h = np.array([0, 2]), np.array([5, 3]), rng.normal(size=(2, 4))
    rnn = nn.Recurrent(nn.GRUCell(3, 4, rng=0, dtype=np.float64))

    def loss():
        ys, _ = rnn(xs, h, lengths=lengths)
        return nn.cross_entropy(logits, targets) + (ys**2).sum()

    parameters = [logits, *rnn.parameters()]
    expected = [g.numpy() for g in ts.grad(loss(), parameters)]
    changed = loss()
    for array in (xs, targets, lengths, h):
        array[...] = 1
    for found, right in zip(ts.grad(changed, parameters), expected, strict=True):
        assert_array_equal(found.numpy(), right)


def test_a_cotangent_that_its_owner_changes():
    x, y, g = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.array([1.0, 10.0])
    z = x + y
    z.backward(g)
    g[...] = 0.0
    for t in (x, y):
        assert_array_equal(t.grad.numpy(), [1.0, 10.0])
    x.grad.assign_([0.0, 0.0])
    assert_array_equal(y.grad.numpy(), [1.0, 10.0])


def test_gradients_are_nobody_elses():
    """Assigned, clipped or overwritten, between or after backward passes: no other value moves."""
    x, y = leaf([3.0]), leaf([4.0])
    loss = x + y
    x.grad = given = ts.tensor(np.array([10.0]))
    loss.sum().backward(retain_graph=True)
    assert_array_equal([x.grad.numpy(), y.grad.numpy(), given.numpy()], [[11.0], [1.0], [10.0]])
    x.grad.assign_([0.0])
    optim.clip_grad_norm_([x, y], 0.5)
    loss.sum().backward()
    assert_array_equal([x.grad.numpy(), y.grad.numpy(), x.numpy()], [[1.0], [1.5], [3.0]])


def test_a_copy_is_a_copy():
    """ts.tensor(t), numpy() and detach() of a leaf; a state that was taken before."""
    layer = nn.Linear(3, 2, rng=0, dtype=np.float64)
    t, weight = layer.weight, layer.weight.numpy()
    copies = [ts.tensor(t), t.detach(), t.numpy(), layer.state_dict()["weight"]]
    t.assign_(np.zeros((3, 2)))
    for copy in copies:
        assert_array_equal(copy, weight)
