"""The loss of CTC, compared with the sum over all paths, one by one; what it decides where others differ."""

import doors
import numpy as np
import paths
import pytest
from doors import costs
from hypothesis import given
from hypothesis import strategies as st
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad


def drawn(seed, steps=6, batch=4, classes=4, size=3, blank=0):
    """Logits, targets, and feasible lengths; what does not count is NaN, or a label that does not exist."""
    rng = np.random.default_rng(seed)
    labels = [label for label in range(classes) if label != blank]
    logits, targets = 2 * rng.normal(size=(steps, batch, classes)), rng.choice(labels, (batch, size))
    counts = rng.integers(0, min(size, (steps + 1) // 2) + 1, batch)
    counts[0] = min(size, steps) if len(labels) > 1 else counts[0]
    targets[0] = [labels[i % len(labels)] for i in range(size)]  # without equal neighbours
    least = [n + sum(row[1:n] == row[: n - 1]) if n else 0 for n, row in zip(counts, targets, strict=True)]
    lengths = np.array([rng.integers(n, steps + 1) for n in least])
    for i in range(batch):
        logits[lengths[i] :, i] = np.nan
        targets[i, counts[i] :] = 99
    return logits, targets, lengths, counts


def by_hand(logits, targets, lengths, counts, blank=0):
    """Losses (B,) and their gradients (T, B, C), summed over all paths; the gradient is 0 past the lengths."""
    losses, gradients = [], np.zeros(logits.shape)
    for i, (t, n) in enumerate(zip(lengths, counts, strict=True)):
        value, gradients[:t, i] = paths.loss(logits[:t, i], targets[i, :n], blank)
        losses.append(value)
    return np.array(losses), gradients


def ours(logits, *others, **options):
    """Losses and gradients of ours, of the sum over the rows."""
    o = ts.tensor(logits, requires_grad=True)
    losses = nn.ctc_loss(o, *others, reduction="none", **options)
    losses.sum().backward()
    return losses, o.grad


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 4), st.integers(0, 3), st.data())
def test_losses_and_gradients_are_sums_over_all_paths(seed, steps, classes, size, data):
    blank = data.draw(st.integers(0, classes - 1))
    batch = drawn(seed, steps, 3, classes, size, blank)
    losses, gradients = ours(*batch, blank=blank)
    expected = by_hand(*batch, blank)
    assert_allclose(losses, expected[0], rtol=1e-12, atol=1e-13)
    assert_allclose(gradients, expected[1], rtol=1e-11, atol=1e-13)


def test_without_lengths_all_frames_and_all_labels_count():
    o, y = np.random.default_rng(0).normal(size=(5, 2, 3)), np.array([[1, 1], [2, 1]])
    assert_allclose(ours(o, y)[0], by_hand(o, y, [5, 5], [2, 2])[0], rtol=1e-13)
    assert_allclose(ours(o, y, [4, 5])[0], by_hand(o, y, [4, 5], [2, 2])[0], rtol=1e-13)
    assert_allclose(ours(o, y, None, [2, 1])[0], by_hand(o, y, [5, 5], [2, 1])[0], rtol=1e-13)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_derivatives_to_second_order(reduction):
    logits, *others = drawn(3)
    check_grad(lambda o: nn.ctc_loss(o, *others, reduction=reduction), np.nan_to_num(logits))


def test_the_mean_is_that_of_the_rows_whatever_their_lengths():
    batch = drawn(1)
    losses = by_hand(*batch)[0]
    assert_allclose(nn.ctc_loss(*batch), losses.mean(), rtol=1e-13)
    assert_allclose(nn.ctc_loss(*batch, reduction="sum"), losses.sum(), rtol=1e-13)


def test_a_row_is_as_if_it_were_alone():
    logits, targets, lengths, counts = drawn(5, steps=40, batch=5, size=9)
    losses, gradients = ours(logits, targets, lengths, counts)
    for i, (t, n) in enumerate(zip(lengths, counts, strict=True)):
        alone = ours(logits[: max(t, 1), i : i + 1], targets[i : i + 1, :n], [t])
        assert_allclose(losses[i : i + 1], alone[0], rtol=1e-13)
        assert_allclose(gradients[: max(t, 1), i : i + 1], alone[1], rtol=1e-12, atol=1e-15)
        assert_array_equal(gradients[t:, i], np.zeros_like(logits[t:, i]))


def test_the_names_of_the_labels_do_not_matter():
    logits, targets, lengths, counts = drawn(7, steps=20, size=5, classes=5)
    order = np.array([3, 0, 4, 1, 2])  # label c is called order[c]
    renamed = np.empty_like(logits)
    renamed[..., order] = logits
    names = np.where(targets == 99, 99, order[np.minimum(targets, 4)])
    losses, gradients = ours(logits, targets, lengths, counts)
    others = ours(renamed, names, lengths, counts, blank=3)
    assert_allclose(others[0], losses, rtol=1e-13)
    assert_allclose(others[1][..., order], gradients, rtol=1e-12, atol=1e-15)


def test_frames_of_blanks_may_be_anywhere_outside():
    """Frames that are surely blank, before and after: neither a loss nor a gradient changes."""
    o, y = np.random.default_rng(2).normal(size=(7, 3, 4)), np.array([[1, 1], [2, 3], [3, 2]])
    blanks = np.broadcast_to([0, -np.inf, -np.inf, -np.inf], (4, 3, 4))
    losses, gradients = ours(o, y)
    others = ours(np.concatenate([blanks, o, blanks[:2]]), y)
    assert_allclose(others[0], losses, rtol=1e-13)
    assert_allclose(others[1], np.pad(gradients.numpy(), ((4, 2), (0, 0), (0, 0))), rtol=1e-12, atol=1e-15)


def test_all_that_can_be_read_is_certain_together():
    o = np.random.default_rng(4).normal(size=(5, 1, 3))
    found = paths.likelihoods(o[:, 0])
    p = [np.exp(-nn.ctc_loss(o, np.array([labels], int).reshape(1, -1)).item()) for labels in found]
    assert_allclose(sum(p), 1, rtol=1e-13)


def test_it_is_an_op_of_a_step_and_a_function_of_one_example():
    """In a loop and under vmap, with lengths that the step receives: as one batch after the other."""
    batches = [np.stack(parts) for parts in zip(*(drawn(seed) for seed in range(3)), strict=True)]
    expected = [by_hand(*batch) for batch in zip(*batches, strict=True)]
    o = ts.tensor(batches[0], requires_grad=True)

    def step(carry, x):
        return carry, nn.ctc_loss(*x, reduction="none")

    _, losses = ts.scan(step, ts.tensor(0.0), (o, *batches[1:]))
    assert_allclose(losses, [each for each, _ in expected], rtol=1e-12, atol=1e-13)
    assert_allclose(ts.grad(losses.sum(), o), [g for _, g in expected], rtol=1e-11, atol=1e-13)
    mapped = ts.vmap(lambda *x: nn.ctc_loss(*x, reduction="none"))(o, *map(ts.tensor, batches[1:]))
    assert_allclose(mapped, losses, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_thousand_frames_of_lower_precision(dtype):
    """float16 is computed in float32 and rounded once; the loss of 3,000 nats is finite."""
    rng = np.random.default_rng(0)
    o, y = rng.normal(size=(1000, 2, 28)).astype(dtype), rng.integers(1, 28, (2, 100))
    losses, gradients = ours(o, y)
    exact = ours(o.astype(np.float64), y)
    assert losses.dtype == gradients.dtype == dtype
    assert_allclose(losses, exact[0], rtol=1e-3 if dtype == np.float16 else 3e-6)
    assert_allclose(gradients, exact[1], atol=2e-3 if dtype == np.float16 else 5e-4)  # log u_t is about -1500
    if dtype == np.float16:
        rounded = ours(o.astype(np.float32), y)
        assert_array_equal(losses, rounded[0].numpy().astype(dtype))


# --- what it decides ------------------------------------------------------------------------------------

FEW = np.zeros((3, 3, 3)), np.array([[1, 1], [1, 2], [2, 0]]), [2, 3, 0], [2, 2, 1]  # rows 0 and 2 need more


def test_a_row_with_too_few_frames_is_an_error():
    with pytest.raises(ValueError, match=r"row 0 has 2 frames, too few for its 2 labels.*omit_infeasible=True"):
        nn.ctc_loss(*FEW)
    with pytest.raises(ValueError, match="row 0 has 0 frames, too few for its 1 labels"):
        nn.ctc_loss(np.zeros((3, 1, 2)), [[1]], [0])
    nn.ctc_loss(np.zeros((3, 1, 2)), [[1, 1]])


def test_a_row_with_too_few_frames_can_be_left_out():
    o = FEW[0].copy()
    o[0, 0] = np.nan
    losses, gradients = ours(o, *FEW[1:], omit_infeasible=True)
    one, gradient = paths.loss(np.zeros((3, 3)), (1, 2))
    assert_allclose(losses, [0, one, 0], rtol=1e-14)
    assert_allclose(gradients[:, 1], gradient, rtol=1e-13)
    assert_array_equal(gradients[:, ::2], np.zeros((3, 2, 3)))
    assert_allclose(nn.ctc_loss(*FEW, omit_infeasible=True), one, rtol=1e-14)
    assert nn.ctc_loss(np.zeros((1, 1, 2)), [[1, 1]], omit_infeasible=True).item() == 0  # all rows are left out


def test_where_no_path_has_a_probability_the_loss_is_infinite_and_its_gradient_0():
    o = np.zeros((3, 2, 3))
    o[:, 0, 2] = -np.inf
    losses, gradients = ours(o, [[1, 2], [1, 2]])
    assert_allclose(losses, [np.inf, paths.loss(o[:, 1], (1, 2))[0]])
    assert_array_equal(gradients[:, 0], np.zeros((3, 3)))
    assert np.isfinite(gradients.numpy()).all()


def test_an_empty_target_is_blanks_alone():
    o = np.random.default_rng(0).normal(size=(4, 3, 3))
    losses, gradients = ours(o, np.zeros((3, 2), int), [4, 2, 0], [0, 0, 0])
    y = np.log(paths.softmax(o))[..., 0]
    assert_allclose(losses, [-y[:, 0].sum(), -y[:2, 1].sum(), 0], rtol=1e-14)
    assert_array_equal(gradients[:, 2], np.zeros((4, 3)))
    assert_allclose(ours(o, np.zeros((3, 0), int))[0], -y.sum(0), rtol=1e-14)


def test_a_batch_without_rows_has_a_mean_of_0():
    o = ts.tensor(np.zeros((4, 0, 3)), requires_grad=True)
    loss = nn.ctc_loss(o, np.zeros((0, 2), int))
    loss.backward()
    assert loss.item() == 0
    assert o.grad.shape == (4, 0, 3)


Y, Z = np.array([[1, 2], [2, 1]]), np.zeros((3, 2, 3))


@pytest.mark.parametrize("kind", [np.asarray, ts.tensor])
@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [
        (IndexError, r"ctc_loss: targets must lie within 0 ... 2; .* the largest 3", (Z, Y + 1)),
        (IndexError, r"ctc_loss: targets must lie within 0 ... 2; the smallest is -1", (Z, 3 - 2 * Y)),
        (ValueError, r"row 0 of the targets contains the blank, 0.*target_lengths", (Z, Y - 1)),
        (ValueError, r"row 1 of the targets contains the blank, 0", (Z, Y * [[1], [0]], [3, 3], [2, 1])),
        (ValueError, r"ctc_loss: lengths must lie within 0 ... 3", (Z, Y, [4, 1])),
        (ValueError, r"ctc_loss: lengths must lie within 0 ... 3", (Z, Y, [-1, 1])),
        (ValueError, r"ctc_loss: target_lengths must lie within 0 ... 2", (Z, Y, None, [3, 1])),
        (ValueError, r"ctc_loss: target_lengths must have shape \(2,\)", (Z, Y, None, [1])),
        (ValueError, r"ctc_loss: lengths must have shape \(2,\)", (Z, Y, [[1, 1]])),
        (ValueError, r"needs logits \(T, B, C\).*got logits of shape \(3, 2\)", (Z[..., 0], Y)),
        (ValueError, r"targets \(B, S\), .* targets of shape \(2, 2, 1\)", (Z, Y[..., None])),
        (ValueError, r"targets \(B, S\), .* targets of shape \(1, 2\)", (Z, Y[:1])),
        (ValueError, r"T >= 1.*got logits of shape \(0, 2, 3\)", (Z[:0], Y)),
        (TypeError, r"ctc_loss: logits must be floats, not int64\[3,2,3\]", (Z.astype(int), Y)),
        (TypeError, r"ctc_loss: targets must be integers", (Z, Y * 1.0)),
        (TypeError, r"ctc_loss: lengths must be integers", (Z, Y, np.array([1.0, 2.0]))),
    ],
)
def test_errors_say_what_is_wrong(error, text, arguments, kind):
    logits, *others = arguments
    if kind is ts.tensor and doors.NAME != "numpy":
        pytest.skip("values on a device are not checked")
    with pytest.raises(error, match=text):
        nn.ctc_loss(logits, *[part if part is None else kind(np.asarray(part)) for part in others])


@pytest.mark.parametrize(("error", "blank"), [(ValueError, 3), (ValueError, -1), (TypeError, 1.0)])
def test_the_blank_is_one_of_the_classes(error, blank):
    with pytest.raises(error, match=r"ctc_loss needs an integer blank in \[0, 3\)"):
        nn.ctc_loss(Z, Y, blank=blank)


def test_the_reduction_is_named():
    with pytest.raises(ValueError, match='ctc_loss: reduction must be "mean", "sum" or "none"'):
        nn.ctc_loss(Z, Y, reduction="average")


# --- on a device ----------------------------------------------------------------------------------------


def test_what_is_on_a_device_is_not_read():
    """Nothing is checked there: an invalid row is NaN, an infeasible one infinite, without a gradient."""
    rows = (
        [[1, 2], [1, 3], [0, 2], [1, 2], [1, 2], [1, 1], [-1, 7]],
        [3, 3, 3, 4, 3, 2, 3],
        [2, 2, 2, 2, 3, 2, 0],
    )
    o = np.random.default_rng(0).normal(size=(3, 7, 3))
    if doors.NAME == "numpy":
        rows = [
            [row if i in (0, 6) else rows[j][0] for i, row in enumerate(part)] for j, part in enumerate(rows)
        ]
    logits = ts.tensor(o, requires_grad=True)
    targets, lengths, counts = map(ts.tensor, rows)
    with costs(uploads=1):  # a frame that is surely blank
        losses = nn.ctc_loss(logits, targets, lengths, counts, reduction="none")
        losses.sum().backward()
    first, last = paths.loss(o[:, 0], (1, 2)), paths.loss(o[:, 6], ())
    assert_allclose(losses[0], first[0], rtol=1e-14)
    assert_allclose(losses[6], last[0], rtol=1e-14)
    assert_allclose(logits.grad[:, ::6], np.stack([first[1], last[1]], 1), rtol=1e-13)
    if doors.NAME != "numpy":
        assert_array_equal(losses[1:6], [np.nan] * 4 + [np.inf])
        assert_array_equal(logits.grad[:, 1:6], np.zeros((3, 5, 3)))
        omitted = nn.ctc_loss(logits, targets, lengths, counts, reduction="none", omit_infeasible=True)
        assert_array_equal(omitted[5], 0.0)


# --- PyTorch ----------------------------------------------------------------------------------------------


@pytest.mark.oracle
@pytest.mark.parametrize("blank", [0, 4])
def test_pytorch_has_the_same_values_and_gradients_behind_log_softmax(blank):
    torch = pytest.importorskip("torch")
    logits, targets, lengths, counts = drawn(11, steps=50, batch=6, classes=5, size=12, blank=blank)
    o = torch.tensor(np.nan_to_num(logits), requires_grad=True)
    y = torch.tensor(np.where(targets == 99, 1, targets))
    losses = torch.nn.functional.ctc_loss(
        o.log_softmax(-1), y, torch.tensor(lengths), torch.tensor(counts), blank=blank, reduction="none"
    )
    losses.sum().backward()
    found, gradients = ours(logits, targets, lengths, counts, blank=blank)
    assert_allclose(found, losses.detach().numpy(), rtol=1e-12, atol=1e-13)
    assert_allclose(gradients, o.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.oracle
def test_the_second_derivative_is_that_of_all_paths_in_pytorch():
    """PyTorch's loss has none; the sum over all paths, written out there, has."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    o, weights, labels = rng.normal(size=(4, 1, 3)), rng.normal(size=(4, 1, 3)), (1, 2)
    theirs = torch.tensor(o, requires_grad=True)
    log_p = theirs.log_softmax(-1)
    every = [path for path in np.ndindex(3, 3, 3, 3) if paths.read(path) == labels]
    loss = -torch.logsumexp(torch.stack([sum(log_p[t, 0, c] for t, c in enumerate(p)) for p in every]), 0)
    (g,) = torch.autograd.grad(loss, theirs, create_graph=True)
    (gg,) = torch.autograd.grad((g * torch.tensor(weights)).sum(), theirs)
    x = ts.tensor(o, requires_grad=True)
    ours = ts.grad(nn.ctc_loss(x, [labels]), x, create_graph=True)
    assert_allclose(ours, g.detach().numpy(), rtol=1e-12, atol=1e-15)
    assert_allclose(ts.grad((ours * weights).sum(), x), gg.numpy(), rtol=1e-11, atol=1e-14)
