"""Attention: scores, weights and contexts compared with NumPy; masks; the cell with attention."""

import doors
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import assert_allclose, assert_array_equal
from running import agree

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.testing import check_grad

B, M, N, S, D, A = 2, 3, 4, 5, 6, 7  # rows, queries, places, sizes of a query and an annotation, units
F64 = {"dtype": np.float64}
SCORES = {  # for each: constructor, query size, and the equation for one query and one annotation
    "dot": (nn.DotScore, D, lambda score, q, h: q @ h),
    "scaled dot": (nn.ScaledDotScore, D, lambda score, q, h: q @ h / np.sqrt(D)),
    "general": (
        lambda: nn.GeneralScore(S, D, rng=1, **F64),
        S,
        lambda score, q, h: q @ score.W.numpy() @ h,
    ),
    "additive": (
        lambda: nn.AdditiveScore(S, D, A, rng=1, **F64),
        S,
        lambda score, q, h: np.tanh(q @ score.W.numpy() + h @ score.U.numpy()) @ score.v.numpy(),
    ),
}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def softmax(e):
    w = np.exp(e - e.max())
    return w / w.sum()


# --- scores ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_its_equation(name):
    """For every query and annotation; with one set of annotations for each row, and one set for all rows."""
    make, size, equation = SCORES[name]
    score, queries = make(), normal(B, M, size)
    for annotations in (normal(B, N, D, seed=1), normal(N, D, seed=1)):
        rows = np.broadcast_to(annotations, (B, N, D))
        expected = [[[equation(score, q, h) for h in rows[b]] for q in queries[b]] for b in range(B)]
        assert_allclose(score(ts.tensor(queries), ts.tensor(annotations)), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", SCORES)
def test_derivatives_of_a_score_to_second_order(kind):
    make, size, _ = SCORES[kind]
    score = make()
    names = [name for name, _ in score.named_parameters()]

    def scores(queries, annotations, *parameters):
        for name, p in zip(names, parameters, strict=True):
            setattr(score, name, p)
        return score(queries, annotations)

    check_grad(scores, normal(B, 2, size), normal(B, N, D, seed=1), *(p.numpy() for p in score.parameters()))


@pytest.mark.parametrize("name", SCORES)
def test_a_score_of_wrong_sizes_names_them(name):
    make, *_ = SCORES[name]
    with pytest.raises(ValueError, match=r"matmul.*9"):
        make()(ts.tensor(normal(B, M, 9)), ts.tensor(normal(B, N, D)))


# --- attend ---------------------------------------------------------------------------------------------


def test_a_context_is_the_weighted_mean_of_the_values():
    scores, values = normal(B, M, N), normal(B, N, D, seed=1)
    contexts, weights = nn.attention.attend(ts.tensor(scores), ts.tensor(values))
    for b in range(B):
        for m in range(M):
            alpha = softmax(scores[b, m])
            assert_allclose(weights[b, m], alpha, rtol=1e-12)
            assert_allclose(
                contexts[b, m], sum(a * v for a, v in zip(alpha, values[b], strict=True)), rtol=1e-12
            )


MASKS = [
    np.array([[1, 1, 0, 1], [0, 0, 0, 1]], bool)[:, None],  # one mask for each row, shared by all queries
    np.tril(np.ones((M, N), bool)),  # one mask for each query, shared by all rows
    np.array([[[1, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]], [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]], bool),
    np.zeros((1, N), bool),
]


@pytest.mark.parametrize("keep", MASKS, ids=["rows", "queries", "both", "nothing"])
def test_a_masked_value_is_as_if_it_were_not_there(keep):
    """In contexts, weights and gradients; a query whose values are all masked gives zeros, and no NaN."""
    scores, values = (ts.tensor(x, requires_grad=True) for x in (5 * normal(B, M, N), normal(B, N, D, seed=1)))
    contexts, weights = nn.attention.attend(scores, values, ts.tensor(keep))
    g, gw = normal(B, M, D, seed=2), normal(B, M, N, seed=3)
    loss = (contexts * g).sum() + (weights * gw).sum()
    found = ts.grad(loss, [scores, values], create_graph=True)
    second = ts.grad((found[0] ** 2).sum() + (found[1] ** 2).sum(), [scores, values])
    kept, expected = np.broadcast_to(keep, (B, M, N)), ts.tensor(np.float64(0))
    for b, m in np.ndindex(B, M):
        places = np.flatnonzero(kept[b, m])
        if not len(places):
            assert_array_equal(contexts[b, m], np.zeros(D))
            assert_array_equal(weights[b, m], np.zeros(N))
            continue
        c, w = nn.attention.attend(scores[b, m][None, places], values[b][places])
        agree([contexts[b, m], weights[b, m][places]], [c[0], w[0]])
        expected = expected + (c[0] * g[b, m]).sum() + (w[0] * gw[b, m][places]).sum()
    apart = ts.grad(expected, [scores, values], create_graph=True, zeros=True) if kept.any() else None
    again = apart and ts.grad((apart[0] ** 2).sum() + (apart[1] ** 2).sum(), [scores, values], zeros=True)
    zeros = [np.zeros((B, M, N)), np.zeros((B, N, D))]
    for a, b in zip([*found, *second], [*(apart or zeros), *(again or zeros)], strict=True):
        assert_allclose(a, b, rtol=1e-9, atol=1e-13)


HOSTILE = st.sampled_from([0.0, 1.0, -1.0, 1e4, -1e4, 1.6e38, -1.6e38, 1e-38, 80.0, -80.0])


@given(data=st.data())
def test_weights_are_a_distribution_whatever_the_scores(data):
    """They sum to 1 within 1e-6 in float32, or to 0 if all are masked; gradients are finite, 0 if masked."""
    places = data.draw(st.integers(1, 300))
    few = data.draw(st.lists(HOSTILE, min_size=1, max_size=8))
    e = np.resize(np.array(few, np.float32), (2, places))
    keep = np.resize(data.draw(st.lists(st.booleans(), min_size=1, max_size=5)), (2, places))
    scores = ts.tensor(e, requires_grad=True)
    contexts, weights = nn.attention.attend(scores, ts.ones((places, 2)), ts.tensor(keep))
    assert weights.dtype == contexts.dtype == np.float32
    assert (weights.numpy() >= 0).all()
    assert_allclose(weights.numpy().sum(-1), keep.any(-1), rtol=0, atol=1e-6)
    (weights * ts.tensor(normal(2, places).astype(np.float32))).sum().backward()
    assert np.isfinite(scores.grad.numpy()).all()
    assert_array_equal(scores.grad.numpy()[~keep], np.zeros(np.count_nonzero(~keep)))


def test_no_values_at_all():
    contexts, weights = nn.attention.attend(ts.ones((B, M, 0)), ts.ones((B, 0, D)))
    assert weights.shape == (B, M, 0)
    assert_array_equal(contexts, np.zeros((B, M, D)))


# --- a cell with attention ------------------------------------------------------------------------------


def looking(keep=None, kind=nn.LSTMCell, score="additive", seed=0):
    """A cell, its annotations and inputs."""
    make, size, _ = SCORES[score]
    cell = kind(3 + D, size, rng=seed, **F64)
    annotations = ts.tensor(normal(B, N, D, seed=1), requires_grad=True)
    return nn.Attending(cell, make(), annotations, keep), ts.tensor(normal(9, B, 3), requires_grad=True)


@pytest.mark.parametrize("keep", [None, np.array([[1, 1, 0, 1], [0, 1, 0, 0]], bool)])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_an_attending_cell_is_its_equations(kind, score, keep):
    """Row by row: the query is the state before the step (h of an LSTM); the context is input and output."""
    look, xs = looking(keep, kind, score)
    equation = SCORES[score][2]
    state = look.initial_state(B, like=xs)
    parts = [ts.tensor(normal(*part.shape, seed=i)) for i, part in enumerate(tree.leaves(state), start=4)]
    state = tuple(parts) if isinstance(state, tuple) else parts[0]
    after, y, weights = look.step(state, xs[0])
    agree([*tree.leaves(look(state, xs[0]))], [*tree.leaves(after), y])
    for b in range(B):
        places = range(N) if keep is None else np.flatnonzero(keep[b])
        h = look.annotations.numpy()[b][places]
        alpha = softmax(np.array([equation(look.score, parts[0].numpy()[b], place) for place in h]))
        assert_allclose(weights[b].numpy()[places], alpha, rtol=1e-12)
        c = alpha @ h
        x = ts.tensor(np.concatenate([xs[0].numpy()[b], c])[None])
        own = tuple(part[b : b + 1] for part in parts) if isinstance(state, tuple) else state[b : b + 1]
        own, y_alone = look.cell(own, x)
        assert_allclose(y[b], np.concatenate([y_alone.numpy()[0], c]), rtol=1e-12)
        for part, alone in zip(tree.leaves(after), tree.leaves(own), strict=True):
            assert_allclose(part[b], alone[0], rtol=1e-12)


def chosen(look, state, x, gumbel=None):
    """The step of a cell with hard attention, for the row alone: state, output, choice, log p and entropy."""
    query = tree.leaves(state)[0]
    places = np.arange(N) if look.keep is None else np.flatnonzero(look.keep.numpy())
    h = look.annotations.numpy()[places]
    e = ts.stack([ts.tanh(query @ look.score.W + h[n] @ look.score.U)[0] @ look.score.v for n in range(len(h))])
    log_p = e - ts.log(ts.exp(e).sum())
    a = int(np.argmax(e.numpy() + (0 if gumbel is None else gumbel[places])))
    beta = ts.sigmoid(query @ look.gate.weight + look.gate.bias) if look.gate else 1.0
    c = beta * h[a : a + 1]
    state, y = look.cell(state, ts.concatenate([x, c], axis=-1))
    return state, ts.concatenate([y, c], axis=-1), places[a], log_p[a], -(ts.exp(log_p) * log_p).sum()


@pytest.mark.parametrize("keep", [None, np.array([[1, 1, 0, 1], [0, 1, 0, 0]], bool)])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_a_cell_with_hard_attention_is_its_equations(kind, gated, keep):
    """With noise and without, row by row; gradients flow through log p, not through the choice."""
    look, xs = looking(keep, kind)
    gate = nn.Linear(S, 1, rng=3, **F64) if gated else None
    hard = nn.HardAttending(look.cell, look.score, look.annotations, keep, gate)
    gumbel = np.random.default_rng(0).gumbel(size=(3, B, N))
    for noisy in (True, False):
        state, found, expected, alone = hard.initial_state(B, xs), [], [], {}
        for t in range(3):
            if noisy:
                state, y, weights, log_p, entropy = hard.choose(state, xs[t], ts.tensor(gumbel[t]))
                found += [log_p, entropy]
            else:
                again = hard(state, xs[t])
                state, y, weights = hard.step(state, xs[t])
                agree(tree.leaves(again), [*tree.leaves(state), y])
            found.append(y)
            rows = []
            for b in range(B):
                own = nn.HardAttending(
                    look.cell, look.score, look.annotations[b], None if keep is None else keep[b], gate
                )
                start = alone.get(b, own.initial_state(1, xs))
                noise = gumbel[t, b] if noisy else None
                alone[b], *made, a, log, h = chosen(own, start, xs[t, b : b + 1], noise)
                assert_array_equal(weights[b], np.eye(N)[a])
                rows.append((log, h, made[0][0]))
            parts = list(zip(*rows, strict=True))
            expected += [ts.stack(part) for part in (parts if noisy else parts[2:])]
        agree(found, expected)
        inputs = [xs, *hard.parameters()]
        agree(*(ts.grad(sum((f * f).sum() for f in each), inputs, zeros=True) for each in (found, expected)))


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_a_gate_scales_the_context(kind):
    """beta = sigmoid(gate(s)), s the query; the step with the context beta c is that of the equations."""
    look, xs = looking(None, kind)
    gated = nn.Attending(look.cell, look.score, look.annotations, gate=nn.Linear(S, 1, rng=3, **F64))
    state = tree.each(lambda part: part + normal(B, S), gated.initial_state(B, xs))
    _, plain, weights = look.step(state, xs[0])
    after, y, same = gated.step(state, xs[0])
    query = tree.leaves(state)[0].numpy()
    beta = 1 / (1 + np.exp(-(query @ gated.gate.weight.numpy() + gated.gate.bias.numpy())))
    c = beta * plain.numpy()[:, -D:]
    own, alone = look.cell(state, ts.concatenate([xs[0], ts.tensor(c)], axis=-1))
    agree([*tree.leaves(after), y], [*tree.leaves(own), ts.concatenate([alone, ts.tensor(c)], axis=-1)])
    assert_array_equal(weights, same)


def test_hard_attention_where_all_annotations_are_masked_is_0_with_its_gradients():
    keep, gumbel = np.array([[1, 0, 1, 1], [0, 0, 0, 0]], bool), ts.tensor(normal(B, N))
    look, xs = looking(keep)
    hard = nn.HardAttending(look.cell, look.score, look.annotations, keep)
    _, y, weights, log_p, entropy = hard.choose(hard.initial_state(B, xs), xs[0], gumbel)
    assert_array_equal(weights[1], np.zeros(N))
    assert_array_equal(y[1, -D:], np.zeros(D))
    assert (log_p[1].item(), entropy[1].item()) == (0, 0)
    assert log_p[0].item() < 0 < entropy[0].item()
    for g in ts.grad(log_p.sum() + entropy.sum() + y.sum(), [look.annotations, *hard.parameters()]):
        assert np.isfinite(g.numpy()).all()


def test_hard_attention_needs_noise_for_each_annotation():
    look, xs = looking()
    hard = nn.HardAttending(look.cell, look.score, look.annotations)
    with pytest.raises(
        ValueError, match=r"needs logits and gumbel \(..., C\), of one shape, got .*float64\[2,3\]"
    ):
        hard.choose(hard.initial_state(B, xs), xs[0], ts.tensor(normal(B, 3)))


def test_the_doubly_stochastic_penalty():
    weights = normal(M, B, N)
    expected = sum((1 - weights[:, b, n].sum()) ** 2 for b in range(B) for n in range(N)) / B
    assert_allclose(nn.attention.doubly_stochastic(weights), expected, rtol=1e-12)
    assert_array_equal(nn.attention.doubly_stochastic(np.full((4, 2, 4), 0.25)), 0.0)  # all places equally
    check_grad(nn.attention.doubly_stochastic, weights)
    for wrong in (normal(M, N), np.ones((M, B, N), int)):
        with pytest.raises(ValueError, match=r"doubly_stochastic needs weights \(T, B, N\) of floats, got"):
            nn.attention.doubly_stochastic(wrong)


def test_keys_are_computed_once_before_the_loop():
    """U h_n does not depend on the state: scan moves it and its gradient out of the loop."""
    look, xs = looking()
    text = str(ts.explain(look, look.initial_state(B, xs), xs))
    before, loop = text.split("\nloop\n")[:2]
    assert "@ U" in before
    assert "keys" in before
    assert "@ U" not in loop.split("\nafter")[0]
    backward = text.split("backward, in the other direction")[1]
    body, after = backward.split("after, for all t at once")
    assert "U" not in body.replace("U_T", "U")
    assert "dU =" in after


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_masked_annotations_have_no_influence_even_if_not_finite(bad):
    keep = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], bool)
    results = []
    for value in (0.5, bad):
        look, xs = looking(keep)
        annotations = look.annotations.numpy().copy()
        annotations[~keep] = value
        look.annotations = ts.tensor(annotations, requires_grad=True)
        ys, _ = nn.Recurrent(look)(xs)
        grads = ts.grad((ys * ys).sum(), [xs, look.annotations, *look.parameters()])
        results.append([ys, *grads])
    for a, b in zip(*results, strict=True):
        assert_array_equal(a, b)
    assert_array_equal(results[0][2].numpy()[~keep], np.zeros((5, D)))
    assert_array_equal(results[0][0][:, 1, -D:], np.zeros((9, D)))  # if all are masked, the context is 0


def test_annotations_of_another_batch_size_are_an_error():
    look, xs = looking()
    with pytest.raises(ValueError, match="needs a batch of the size of its annotations, 2, got a batch of 3"):
        nn.Recurrent(look)(ts.tensor(normal(4, 3, 3)))
    with pytest.raises(ValueError, match="needs a batch of the size of its annotations, 2, got a batch of 1"):
        nn.Recurrent(look)(ts.tensor(normal(4, 1, 3)))
    look = nn.Attending(look.cell, look.score, ts.tensor(normal(1, N, D)))
    with pytest.raises(ValueError, match="needs a batch of the size of its annotations, 1, got a batch of 2"):
        nn.Recurrent(look)(xs)


def test_errors_of_attending():
    cell, score = nn.GRUCell(3 + D, S, **F64), nn.AdditiveScore(S, D, A, **F64)
    for annotations in (normal(D), normal(1, B, N, D), np.ones((B, N, D), int)):
        with pytest.raises(ValueError, match=r"needs float annotations \(B, N, D\) or \(N, D\), got"):
            nn.Attending(cell, score, annotations)
    for keep in (np.ones((B, N)), np.ones((N, B), bool), np.ones(N, bool), np.ones((1, N), bool)):
        with pytest.raises(
            ValueError, match=r"keep to be booleans of shape \(2, 4\) for annotations float64\[2,4,6\], .* got"
        ):
            nn.Attending(cell, score, normal(B, N, D), keep)


def test_the_parameters_of_attending_have_names():
    look, _ = looking()
    names = [name for name, _ in look.named_parameters()]
    assert names == ["cell.Wx", "cell.Wh", "cell.b", "score.W", "score.U", "score.v"]


@pytest.mark.parametrize("kind", [nn.GeneralScore, nn.AdditiveScore])
def test_the_same_seed_gives_the_same_weights_and_dtype_is_respected(kind):
    sizes = (S, D, A)[: 2 if kind is nn.GeneralScore else 3]
    a, b, other = (kind(*sizes, rng=seed, dtype=np.float64).state_dict() for seed in (3, 3, 4))
    assert all(x.dtype == np.float64 for x in a.values())
    for name in a:
        assert_array_equal(a[name], b[name])
        assert (a[name] != other[name]).any()
    assert kind(*sizes).W.dtype == np.float32


def test_initial_weights_are_uniform_within_the_root_of_the_inputs():
    """k = 1 / sqrt(the number of inputs), for each matrix and for v."""
    general, additive = nn.GeneralScore(50, 200, rng=0), nn.AdditiveScore(40, 90, 300, rng=0)
    inputs = [(general.W, 200), (additive.W, 40), (additive.U, 90), (additive.v, 300)]
    for weights, n in inputs:
        assert 0.95 < np.abs(weights.numpy()).max() * np.sqrt(n) <= 1


@pytest.mark.skipif(
    doors.NAME != "double", reason="only the double, a stand-in for CuPy on the CPU, has a second device"
)
def test_a_mask_moves_to_the_device_of_the_annotations():
    with doors.open_doors():
        look = nn.Attending(
            nn.GRUCell(3 + D, S).to("cuda"),
            nn.AdditiveScore(S, D, A).to("cuda"),
            ts.ones((B, N, D), device="cuda"),
            np.ones((B, N), bool),
        )
        ys, _ = nn.Recurrent(look)(ts.ones((2, B, 3), device="cuda"))
        assert ys.device == "cuda:0"
