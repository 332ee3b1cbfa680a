"""The neural Turing machine compared with its equations in NumPy; its initial state, trace and errors."""
# ruff: noqa: N806 (weights have the names that they have in the cells)

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
from combined import COMBINED
from results import assert_allclose, host

import tinygrad_seq as ts
from tinygrad_seq import nn, tree

T, B, I, H, O, N, M = 4, 3, 2, 5, 4, 6, 7  # noqa: E741 (the letters of the shapes)
F64 = {"dtype": np.float64}
xs = np.random.default_rng(0).normal(size=(T, B, I))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log(1 + np.exp(x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def machine(reads=2, writes=2, shift=1, seed=0, **options):
    options = F64 | options
    rng = np.random.default_rng(seed)
    controller = nn.RNNCell(I + reads * M, H, rng=rng, dtype=options["dtype"])
    sizes = {"memory": (N, M), "reads": reads, "writes": writes, "shift": shift}
    return nn.NTMCell(controller, O, rng=rng, **sizes, **options)


def random_state(cell, batch=B, seed=1):
    """A random state: if all memory rows are equal, content addressing cannot distinguish them."""
    rng = np.random.default_rng(seed)
    s, r, w, m = cell.initial_state(batch, like=ts.tensor(np.zeros((1, 1))))
    r, m = rng.normal(size=r.shape), rng.normal(size=m.shape)
    w = rng.random(w.shape) ** 3
    s = tree.each(lambda part: ts.tensor(rng.normal(size=part.shape), requires_grad=True), s)
    leaves = [ts.tensor(a, requires_grad=True) for a in (r, w / w.sum(-1, keepdims=True), m)]
    return s, *leaves


def by_hand(cell, xs, state, b):
    """Row b of the batch: (y, weightings, reads, memory, erase vectors, add vectors) of every step."""
    R, W, r_ = cell.reads, cell.writes, cell.shift
    h, reads, w, m = (part.numpy()[b] for part in state)
    Wx, Wh, bias = (
        p.numpy() for p in (cell.controller.cell.Wx, cell.controller.cell.Wh, cell.controller.cell.b)
    )
    steps = []
    for x in xs[:, b]:
        h = np.tanh(np.concatenate([x, reads.ravel()]) @ Wx + bias + h @ Wh)
        heads = np.clip(h @ cell.addressing.weight.numpy() + cell.addressing.bias.numpy(), -20, 20)
        new = []
        for head, before in zip(heads.reshape(R + W, -1), w, strict=True):
            k, s = head[:M], head[M : M + 2 * r_ + 1]
            beta, g, gamma = head[M + 2 * r_ + 1 :]
            content = content_by_hand(m, k, [softplus(beta)])
            moved = shift_by_hand(interpolation_by_hand(content, before, [sigmoid(g)]), softmax(s))
            new.append(sharpening_by_hand(moved, [1 + softplus(gamma)]))
        w = np.array(new)
        reads = np.array([read_by_hand(m, row) for row in w[:R]])
        heads = np.clip(h @ cell.writing.weight.numpy() + cell.writing.bias.numpy(), -20, 20).reshape(W, 2, M)
        m = np.array(write_by_hand(m, w[R:], sigmoid(heads[:, 0]), heads[:, 1]))
        y = np.concatenate([h, reads.ravel()]) @ cell.readout.weight.numpy() + cell.readout.bias.numpy()
        steps.append((y, w, reads, m, sigmoid(heads[:, 0]), heads[:, 1]))
    return [np.array(values) for values in zip(*steps, strict=True)]


@pytest.mark.parametrize("scale", [1, 100], ids=["", "clipped"])
@pytest.mark.parametrize(("reads", "writes", "shift"), [(2, 2, 1), (1, 3, 2), (2, 1, 0)])
def test_the_machine_is_its_equations(reads, writes, shift, scale):
    """Over several steps, also with heads so large that they are clipped. The trace holds every step."""
    cell = machine(reads, writes, shift)
    for p in (cell.addressing.weight, cell.writing.weight):
        p.assign_(p * float(scale))
    state = random_state(cell)
    ys, (_, r, w, m) = nn.Recurrent(cell)(xs, state)
    trace = cell.trace(xs, state)
    for b in range(B):
        y, ws, rs, ms, erase, add = by_hand(cell, xs, state, b)
        assert_allclose(ys.numpy()[:, b], y, rtol=1e-9, atol=1e-12)
        for part, steps in ((r, rs), (w, ws), (m, ms)):
            assert_allclose(part.numpy()[b], steps[-1], rtol=1e-9, atol=1e-12)
        whole = (y, ws[:, :reads], ws[:, reads:], rs, erase, add, ms)
        for part, steps in zip(vars(trace).values(), whole, strict=True):
            assert_allclose(part.numpy()[:, b], steps, rtol=1e-9, atol=1e-12)
    assert (np.abs(add) == 20).any() == (scale > 1)


@pytest.mark.in_numpy  # it is about sizes, which no emitter changes
@pytest.mark.parametrize("name", nn.CELLS | COMBINED)
def test_any_cell_is_a_controller(name):
    """NTMCell finds the controller's sizes; the output has the size `output_size`."""
    controller = (nn.CELLS | COMBINED)[name](I + M, 6, rng=np.random.default_rng(0), **F64)
    cell = nn.NTMCell(controller, O, memory=(N, M), rng=1, **F64)
    assert cell.input_size == I
    ys, _ = nn.Recurrent(cell)(xs)
    assert ys.shape == (T, B, O)
    assert np.isfinite(ys.numpy()).all()
    ys.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in cell.parameters() if p.grad is not None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype):
    cell = machine(dtype=dtype)
    ys, state = nn.Recurrent(cell)(xs.astype(dtype))
    assert {t.dtype for _, t in cell.named_tensors()} == {np.dtype(dtype)}
    assert {part.dtype for part in tree.leaves(state)} | {ys.dtype} == {np.dtype(dtype)}


# --- before the first step ----------------------------------------------------------------------------


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("start", ["constant", "random", "learned"])
def test_the_parameters_of_the_initial_state(start, learned):
    cell = machine(memory_start=start, learned=learned)
    beginnings = {"controller.start.0", "first_reads", "first_scores"} if learned else set()
    names = {name for name, _ in cell.named_parameters()}
    assert {n for n in names if "first" in n or "start" in n} == beginnings | (
        {"first_memory"} if start == "learned" else set()
    )
    assert "first_memory" in dict(cell.named_tensors())  # it is saved whether it is learned or not
    ys, _ = nn.Recurrent(cell)(xs)
    (ys * ys).sum().backward()
    for name in beginnings:
        assert (dict(cell.named_parameters())[name].grad.numpy() != 0).any()

    s, r, w, m = (part.numpy() for part in cell.initial_state(B, like=ts.tensor(xs)))
    assert (s == 0).all()
    assert (r == 0).all()
    assert (m == m[:1]).all()
    assert (m == 1e-6).all() if start == "constant" else (np.abs(m) <= 1 / np.sqrt(N + M)).all()
    assert len(np.unique(m)) == (1 if start == "constant" else N * M)
    assert_allclose(w.sum(-1), 1.0, rtol=1e-12)
    assert (w[:, :, 0] == 1).all() != learned
    assert (w == w[:1]).all()


def test_a_state_dict_makes_the_same_machine():
    """Also if the initial memory is random and not learned."""
    a, b = machine(memory_start="random"), machine(memory_start="random", seed=1)
    assert (nn.Recurrent(a)(xs)[0].numpy() != nn.Recurrent(b)(xs)[0].numpy()).any()
    b.load_state_dict(a.state_dict())
    assert (nn.Recurrent(a)(xs)[0].numpy() == nn.Recurrent(b)(xs)[0].numpy()).all()


def test_a_seed_makes_a_machine_reproducible():
    a, b, c = (machine(memory_start="random", seed=seed).state_dict() for seed in (5, 5, 6))
    assert all((a[key] == b[key]).all() for key in a)
    assert (a["first_memory"] != c["first_memory"]).all()
    assert (a["addressing.weight"] != c["addressing.weight"]).all()


# --- errors -------------------------------------------------------------------------------------------


def test_a_controller_too_narrow_for_the_read_vectors():
    with pytest.raises(
        ValueError, match=r"of input size I \+ 14, .* 2 read vectors of width 7; got one of input size 9"
    ):
        nn.NTMCell(nn.LSTMCell(9, H), O, memory=(N, M), reads=2)


def test_an_input_of_another_size():
    with pytest.raises(
        ValueError, match=r"needs xs \(T, B, 2\), got float64\[.*,3,3\]; for inputs of size 3, make a cell"
    ):
        nn.Recurrent(machine())(np.ones((T, B, 3)))


def test_a_controller_that_rejects_every_input_size():
    class Rejects(nn.Cell):
        def initial_state(self, batch, like):
            return ts.zeros_like(like, shape=(batch, 1))

        def __call__(self, state, x):
            raise ValueError("no")

    with pytest.raises(ValueError, match="could not find an input size that Rejects accepts"):
        nn.NTMCell(Rejects(), O, memory=(N, M))


@pytest.mark.parametrize("wrong", [{"reads": 0}, {"writes": 0}, {"shift": -1}])
def test_invalid_sizes(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"NTMCell needs an integer {name} in \[[01], inf\), got {value}"):
        machine(**wrong)


def test_an_unknown_memory_start():
    with pytest.raises(ValueError, match="memory_start must be 'constant', 'random' or 'learned', not 'zeros'"):
        machine(memory_start="zeros")


# --- pictures -------------------------------------------------------------------------------------------


@pytest.mark.host("matplotlib draws arrays that are on the host")
def test_a_machine_is_drawn_as_in_the_paper():
    """Time from left to right, heads from top to bottom, for the given row of the batch."""
    figure = pytest.importorskip("matplotlib.figure").Figure()
    cell = machine(writes=3)
    trace = cell.trace(xs)
    nn.pictures.machine(figure, xs, trace.outputs, trace, row=1)
    images = {axes.get_title(): axes.images[0].get_array() for axes in figure.axes}
    expected = {"inputs": xs, "outputs": trace.outputs, "adds": trace.adds, "reads": trace.reads}
    expected |= {"write weightings": trace.write_weightings, "read weightings": trace.read_weightings}
    assert list(images) == list(expected)
    for title, values in expected.items():
        assert_allclose(images[title], host(values)[:, 1].reshape(T, -1).T, rtol=1e-12)
    lines = {axes.get_title(): len(axes.lines) for axes in figure.axes}
    assert lines == {
        "inputs": 0,
        "outputs": 0,
        "adds": 2,
        "reads": 1,
        "write weightings": 2,
        "read weightings": 1,
    }
    assert figure.axes[4].images[0].get_clim() == (0, 1)


# --- against PyTorch ------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_gradients_agree_with_pytorch():
    """From a random state, by the inputs, the state and all parameters."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    cell = machine(writes=3)
    state = random_state(cell)
    leaves = [
        *(p for name, p in cell.named_parameters() if "first" not in name and "start" not in name),
        *state,
    ]
    x = ts.tensor(xs, requires_grad=True)
    ys, final = nn.Recurrent(cell)(x, state)
    weights = np.random.default_rng(2).normal(size=ys.shape)
    loss = (ys * weights).sum() + sum((part * part).sum() for part in final)
    ours = ts.grad(loss, [x, *leaves])

    x, *theirs = (torch.tensor(t.numpy(), requires_grad=True) for t in (x, *leaves))
    Wx, Wh, b, A, a, V, v, U, u, h, r, w, m = theirs
    first = x
    ys = []
    for x_t in x:
        h = torch.tanh(torch.cat([x_t, r.flatten(1)], 1) @ Wx + b + h @ Wh)
        heads = (h @ A + a).clamp(-20, 20).reshape(B, 5, -1)
        k, s, beta, g, gamma = torch.split(heads, [M, 3, 1, 1, 1], -1)
        cosine = torch.nn.functional.cosine_similarity(k[:, :, None], m[:, None], dim=-1)
        content = torch.softmax(torch.nn.functional.softplus(beta) * cosine, -1)
        g, s = torch.sigmoid(g), torch.softmax(s, -1)
        w = g * content + (1 - g) * w
        w = sum(torch.roll(w, j - 1, -1) * s[:, :, j : j + 1] for j in range(3))
        w = w ** (1 + torch.nn.functional.softplus(gamma))
        w = w / w.sum(-1, keepdim=True)
        r = w[:, :2] @ m
        e, add = torch.split((h @ V + v).clamp(-20, 20).reshape(B, 3, -1), M, -1)
        for i in range(3):
            m = m * (1 - w[:, 2 + i, :, None] * torch.sigmoid(e)[:, i, None])
        m = m + w[:, 2:].mT @ add
        ys.append(torch.cat([h, r.flatten(1)], 1) @ U + u)
    loss = (torch.stack(ys) * torch.tensor(weights)).sum() + sum((part * part).sum() for part in (h, r, w, m))
    for found, expected in zip(ours, torch.autograd.grad(loss, [first, *theirs]), strict=True):
        assert_allclose(found.numpy(), expected.numpy(), rtol=1e-9, atol=1e-11)
        assert np.abs(found.numpy()).max() > 1e-6
