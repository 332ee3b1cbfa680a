"""Self-attention compared with NumPy and PyTorch; its independence of order; rows of unequal length."""

import doors
import numpy as np
import pytest
from doors import costs
from results import assert_allclose, assert_array_equal
from running import agree

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.testing import check_grad

T, B, SIZE, HEADS = 5, 3, 6, 2
F64 = {"dtype": np.float64}
LENGTHS = [None, [5, 2, 0], [1, 5, 3], [0, 0, 0]]


def inputs(seed=0, steps=T, batch=B):
    return ts.tensor(np.random.default_rng(seed).normal(size=(steps, batch, SIZE)), requires_grad=True)


def looking(heads=HEADS, seed=1):
    return nn.SelfAttention(SIZE, heads=heads, rng=seed, **F64)


def by_hand(look, x):
    """The outputs (T, SIZE) of one sequence (T, SIZE), head by head and step by step, and the weights."""
    w, b = look.projection.weight.numpy(), look.projection.bias.numpy()
    q, k, v = np.split(x @ w + b, 3, axis=-1)
    d = SIZE // look.heads
    contexts, weights = np.zeros_like(x), np.zeros((look.heads, len(x), len(x)))
    for j in range(look.heads):
        own = slice(j * d, (j + 1) * d)
        for t in range(len(x)):
            e = np.array([q[t, own] @ k[u, own] / np.sqrt(d) for u in range(len(x))])
            weights[j, t] = np.exp(e - e.max()) / np.exp(e - e.max()).sum()
            contexts[t, own] = sum(a * v[u, own] for u, a in enumerate(weights[j, t]))
    return contexts @ look.output.weight.numpy() + look.output.bias.numpy(), weights


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_it_is_its_equations_row_by_row(heads, lengths):
    """Steps past the length are not attended to and have outputs 0; a row of length 0 has only zeros."""
    look, xs = looking(heads), inputs()
    ys, state = look(xs, lengths=lengths)
    again, weights = look.attended(xs, lengths)
    assert state == ()
    assert_array_equal(ys, again)
    for i, n in enumerate([T] * B if lengths is None else lengths):
        alone, own = by_hand(look, xs.numpy()[:n, i])
        assert_allclose(ys[:n, i], alone, rtol=1e-11, atol=1e-14)
        assert_array_equal(ys[n:, i], np.zeros((T - n, SIZE)))
        assert_allclose(weights[i, :, :n, :n], own, rtol=1e-11, atol=1e-14)
        assert_array_equal(weights[i, :, :, n:], np.zeros((heads, T, T - n)))
        assert_allclose(weights[i].numpy().sum(-1), np.full((heads, T), float(n > 0)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", LENGTHS[1:])
def test_gradients_are_those_of_each_row_alone(lengths):
    look, xs = looking(), inputs()
    g = np.random.default_rng(2).normal(size=xs.shape)
    ys, _ = look(xs, lengths=lengths)
    alone = (0.0 * xs).sum()
    for i, n in enumerate(lengths):
        if n:
            own, _ = look(xs[:n, i : i + 1])
            alone = alone + (own * g[:n, i : i + 1]).sum()
    found = ts.grad((ys * g).sum(), [xs, *look.parameters()])
    agree(found, ts.grad(alone, [xs, *look.parameters()], zeros=True))


def test_derivatives_to_second_order():
    look = looking()

    def outputs(xs, w, b, o):
        look.projection.weight, look.projection.bias, look.output.weight = w, b, o
        return look(xs, lengths=[3, 1, 0])[0]

    found = look.projection.weight, look.projection.bias, look.output.weight
    check_grad(outputs, inputs(steps=3).numpy(), *(p.numpy() for p in found))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_stands_past_the_length_has_no_influence(bad):
    look, results = looking(), []
    for value in (0.5, bad):
        x = inputs().numpy().copy()
        x[2:, 1], x[:, 2] = value, value
        xs = ts.tensor(x, requires_grad=True)
        ys, weights = look.attended(xs, [5, 2, 0])
        loss = (ys * ys).sum() + (weights * weights).sum() + look.summary(xs, lengths=[5, 2, 0])[0].sum()
        results.append([ys, weights, *ts.grad(loss, [xs, *look.parameters()])])
    for a, b in zip(*results, strict=True):
        assert_array_equal(a, b)
        assert np.isfinite(a.numpy()).all()


def test_it_knows_no_order():
    """Permuted steps give permuted outputs; with positions, the outputs change."""
    look, xs, order = looking(), inputs(), np.array([3, 0, 4, 1, 2])
    assert_allclose(look(xs[order])[0], look(xs)[0][order], rtol=1e-12)
    placed = nn.Sequential(nn.Positions(), lambda x: look(x)[0])
    assert np.abs(placed(xs[order]).numpy() - placed(xs)[order].numpy()).max() > 1e-3


@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_positions(size, dtype):
    """Sines and cosines of wave lengths from 2 pi to 10000 2 pi, the same for all rows."""
    xs = np.random.default_rng(0).normal(size=(7, 2, size)).astype(dtype)
    placed = nn.Positions()(xs)
    assert placed.dtype == dtype
    for t, b, j in np.ndindex(7, 2, size):
        angle = t / 10000 ** (2 * (j // 2) / size)
        expected = xs[t, b, j] + (np.cos(angle) if j % 2 else np.sin(angle))
        assert_allclose(placed[t, b, j], expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)
    x = ts.tensor(xs, requires_grad=True)
    nn.Positions()(x).sum().backward()
    assert_array_equal(x.grad, np.ones_like(xs))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_the_summary_is_the_mean_within_the_lengths(lengths):
    look, xs = looking(), inputs()
    ys, _ = look(xs, lengths=lengths)
    y, state = look.summary(xs, lengths=lengths)
    assert state == ()
    for i, n in enumerate([T] * B if lengths is None else lengths):
        expected = ys.numpy()[:n, i].mean(0) if n else np.zeros(SIZE)
        assert_allclose(y[i], expected, rtol=1e-12)


def test_it_runs_where_a_runner_runs():
    """In patterns, and in `Layers` together with recurrent networks; and it learns."""
    rng = np.random.default_rng(0)
    look = nn.Layers(
        nn.Positions(),
        nn.SelfAttention(SIZE, heads=2, rng=rng, **F64),
        nn.Recurrent(nn.GRUCell(SIZE, 4, rng=rng, **F64)),
    )
    ys, state = look(inputs(), lengths=[5, 2, 0])
    assert ys.shape == (T, B, 4)
    assert state[0] == ()
    assert_array_equal(look(inputs(), state, [5, 2, 0])[1][1].shape, (B, 4))
    model = nn.ManyToOne(nn.Positions(), nn.SelfAttention(SIZE, heads=2, rng=rng), nn.Linear(SIZE, 2, rng=rng))
    adam = optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(150):  # at the step that is marked in the first feature, has the second a plus or a minus?
        marked = np.arange(6)[:, None] == rng.integers(0, 6, 32)
        xs = rng.choice([-1.0, 1.0], size=(6, 32, SIZE)).astype(np.float32)
        xs[..., 0] = 3 * marked
        loss = nn.cross_entropy(model(xs), (xs[..., 1][marked.T.nonzero()[1], range(32)] > 0).astype(int))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:20])


def test_errors_of_self_attention():
    look = looking()
    with pytest.raises(ValueError, match="heads that divide size, got 4 heads and size 6"):
        nn.SelfAttention(6, heads=4)
    for heads in (0, -2):
        with pytest.raises(ValueError, match=rf"an integer heads in \[1, inf\), got {heads}"):
            nn.SelfAttention(6, heads=heads)
    for xs in (np.ones((T, SIZE)), np.ones((0, B, SIZE)), np.ones((T, B, 2, SIZE))):
        with pytest.raises(ValueError, match=r"SelfAttention needs xs \(T, B, 6\).*, got float64\["):
            look(xs)
    with pytest.raises(ValueError, match=r"needs xs \(T, B, 6\), got float64\[5,3,7\]"):
        look(np.ones((T, B, 7)))
    with pytest.raises(ValueError, match=r"lengths must lie within 0 \.\.\. 5"):
        look(inputs(), lengths=[6, 1, 1])
    with pytest.raises(ValueError, match="self-attention has no state"):
        look(inputs(), ts.ones((B, SIZE)))
    with pytest.raises(ValueError, match=r"Positions needs xs \(T, B, size\), got float64\[5,6\]"):
        nn.Positions()(np.ones((T, SIZE)))


@pytest.mark.oracle
def test_it_is_that_of_pytorch():
    """Values and gradients of torch.nn.MultiheadAttention with the same weights, keys masked by lengths."""
    torch = pytest.importorskip("torch")
    look, xs = looking(), inputs()
    other = torch.nn.MultiheadAttention(SIZE, HEADS, dtype=torch.float64)
    ours = look.projection, look.output
    with torch.no_grad():
        for theirs, p in zip(
            (other.in_proj_weight, other.in_proj_bias, other.out_proj.weight, other.out_proj.bias),
            (p for layer in ours for p in (layer.weight, layer.bias)),
            strict=True,
        ):
            theirs.copy_(torch.tensor(p.numpy().T))
    x = torch.tensor(xs.numpy(), requires_grad=True)
    lengths = [5, 2, 3]
    past = torch.tensor(np.arange(T) >= np.array(lengths)[:, None])
    theirs, weights = other(x, x, x, key_padding_mask=past, average_attn_weights=False)
    ys, own = look.attended(xs, lengths)
    within = np.arange(T)[:, None] < np.array(lengths)
    assert_allclose(ys.numpy()[within], theirs.detach().numpy()[within], rtol=1e-10, atol=1e-14)
    for i, n in enumerate(lengths):  # in PyTorch, steps past the length attend too
        assert_allclose(own.numpy()[i, :, :n], weights.detach().numpy()[i, :, :n], rtol=1e-10, atol=1e-14)
    g = np.random.default_rng(2).normal(size=xs.shape) * within[..., None]
    (theirs * torch.tensor(g)).sum().backward()
    (ys * g).sum().backward()
    assert_allclose(xs.grad, x.grad.numpy(), rtol=1e-10, atol=1e-14)
    for p, q in zip(look.parameters(), other.parameters(), strict=True):
        assert_allclose(p.grad, q.grad.numpy().T, rtol=1e-10, atol=1e-13)


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_a_training_step_waits_for_nothing():
    with doors.open_doors():
        rng = np.random.default_rng(0)
        model = nn.ManyToOne(
            nn.Positions(), nn.SelfAttention(SIZE, heads=2, rng=rng), nn.Linear(SIZE, 2, rng=rng)
        ).to("cuda")
        adam = optim.Adam(model.parameters())
        xs = ts.tensor(inputs().numpy().astype(np.float32), device="cuda")

        def step():
            loss = nn.cross_entropy(model(xs, [5, 2, 1]), np.array([0, 1, 1]))
            adam.zero_grad()
            loss.backward()
            adam.step()
            return loss

        step()
        with costs(uploads=1 + 1 + 1 + 4, synchronisations=0):  # labels, positions, and masks from lengths
            loss = step()
        assert np.isfinite(loss.item())
