"""Weights from and to PyTorch: the same outputs and final states in both directions, and the errors."""

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn

I, H, T, B = 3, 5, 7, 4  # noqa: E741
F64 = {"dtype": np.float64}
CELLS = {
    "RNN": nn.RNNCell,
    "RNN relu": nn.CELLS["rectified RNN"],
    "LSTM": nn.LSTMCell,
    "GRU": nn.ResetAfterGRUCell,
}
STRUCTURES = ["one", "reverse too", "stack", "layers", "layers both ways"]
LENGTHS = [3, 7, 1, 5]


def network(kind, structure, seed=0, **options):
    """One of our networks; the number of its layers, and whether it is bidirectional."""
    rng = np.random.default_rng(seed)

    def cell(size=I):
        return CELLS[kind](size, H, rng=rng, **F64)

    if structure == "one":
        return nn.Recurrent(cell(), **options), 1, False
    if structure == "reverse too":
        return nn.Bidirectional(cell(), cell(), **options), 1, True
    if structure == "stack":
        return nn.Recurrent(nn.Stacked(cell(), cell(H), cell(H)), **options), 3, False
    if structure == "layers":
        runners = nn.Recurrent(cell(), **options), nn.Recurrent(cell(H), **options)
        return nn.Layers(*runners), 2, False
    first = nn.Bidirectional(cell(), cell(), **options)
    return nn.Layers(first, nn.Bidirectional(cell(2 * H), cell(2 * H), **options)), 2, True


def flat(state, kind):
    """Our state in the layout of PyTorch: h (layers * directions, B, H), for an LSTM (h, c)."""

    def hs(s):
        leaf = isinstance(s, ts.Tensor) or (kind == "LSTM" and isinstance(s[0], ts.Tensor))
        return [s] if leaf else [h for part in s for h in hs(part)]

    if kind == "LSTM":
        return [np.stack([s[i].numpy() for s in hs(state)]) for i in range(2)]
    return [np.stack([h.numpy() for h in hs(state)])]


# --- against PyTorch ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: its weights are not compared")


def theirs(torch, kind, layers, both, **options):
    torch.manual_seed(0)
    name, _, activation = kind.partition(" ")
    options |= {"nonlinearity": activation} if activation else {}
    made = getattr(torch.nn, name)(I, H, num_layers=layers, bidirectional=both, **options)
    return made.double()


def agree(torch, ours, torchs, kind, xs):
    """Outputs and final states agree, for sequences of equal and unequal length, from a state of 0."""
    first = torchs.batch_first
    for lengths in (None, LENGTHS):
        x = torch.tensor(xs)
        if lengths:
            x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, first, enforce_sorted=False)
        with torch.no_grad():
            y, last = torchs(x)
        if lengths:
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, first, total_length=T)
        ys, state = ours(xs, lengths=lengths)
        assert_allclose(ys.numpy(), y.numpy(), rtol=0, atol=1e-13)
        for a, b in zip(flat(state, kind), last if kind == "LSTM" else [last], strict=True):
            assert_allclose(a, b.numpy(), rtol=0, atol=1e-13)


@pytest.mark.oracle
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("kind", CELLS)
def test_what_pytorch_computes_we_compute_with_its_weights(torch, kind, structure, batch_first):
    ours, layers, both = network(kind, structure, batch_first=batch_first)
    torchs = theirs(torch, kind, layers, both, batch_first=batch_first)
    arrays = {name: t.numpy() for name, t in torchs.state_dict().items()}
    assert nn.from_torch(arrays, ours) is ours
    shape = (B, T, I) if batch_first else (T, B, I)
    agree(torch, ours, torchs, kind, np.random.default_rng(1).normal(size=shape))


@pytest.mark.oracle
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("kind", CELLS)
def test_what_we_compute_pytorch_computes_with_our_weights(torch, kind, structure):
    ours, layers, both = network(kind, structure)
    torchs = theirs(torch, kind, layers, both)
    torchs.load_state_dict({name: torch.tensor(array) for name, array in nn.to_torch(ours).items()})
    agree(torch, ours, torchs, kind, np.random.default_rng(1).normal(size=(T, B, I)))


@pytest.mark.oracle
@pytest.mark.parametrize("kind", CELLS)
def test_float32_agrees_to_a_millionth(torch, kind):
    torchs = theirs(torch, kind, 1, False).float()
    ours = nn.Recurrent(CELLS[kind](I, H, rng=0))
    nn.from_torch(torchs.state_dict(), ours)  # CPU tensors are arrays too
    xs = np.random.default_rng(1).normal(size=(T, B, I)).astype(np.float32)
    with torch.no_grad():
        y, _ = torchs(torch.tensor(xs))
    assert_allclose(ours(xs)[0].numpy(), y.numpy(), rtol=0, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_agree(torch, kind, structure):
    """First order: gradients of a loss of outputs and final states, by the input and every weight."""
    ours, layers, both = network(kind, structure)
    torchs = theirs(torch, kind, layers, both)
    nn.from_torch({name: t.numpy() for name, t in torchs.state_dict().items()}, ours)
    rng = np.random.default_rng(1)
    xs, weights = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H * (1 + both)))

    x = torch.tensor(xs, requires_grad=True)
    y, last = torchs(x)
    loss = (y * torch.tensor(weights)).sum()
    loss = loss + sum((s * s).sum() for s in (last if kind == "LSTM" else [last]))
    loss.backward()

    own = ts.tensor(xs, requires_grad=True)
    ys, state = ours(own)
    loss = (ys * weights).sum()

    def leaves(s):
        return [s] if isinstance(s, ts.Tensor) else [part for t in s for part in leaves(t)]

    loss = loss + sum((s * s).sum() for s in leaves(state))
    loss.backward()
    assert_allclose(own.grad.numpy(), x.grad.numpy(), rtol=1e-10, atol=1e-12)
    for p in ours.parameters():  # gradients replace the weights, so that to_torch gives them PyTorch's shapes
        p.assign_(p.grad)
    found = nn.to_torch(ours)
    for name, p in torchs.named_parameters():
        if not name.startswith("bias_hh") or kind == "GRU":
            assert_allclose(found[name], p.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("structure", ["one", "layers both ways"])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_the_gradient_agree(torch, kind, structure):
    """Second order: gradients of <dL/dx, u>, by the input and every weight."""
    ours, layers, both = network(kind, structure)
    torchs = theirs(torch, kind, layers, both)
    nn.from_torch({name: t.numpy() for name, t in torchs.state_dict().items()}, ours)
    rng = np.random.default_rng(1)
    xs, us = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, I))

    x = torch.tensor(xs, requires_grad=True)
    (slope,) = torch.autograd.grad((torchs(x)[0] ** 2).sum(), x, create_graph=True)
    (slope * torch.tensor(us)).sum().backward()

    own = ts.tensor(xs, requires_grad=True)
    slope = ts.grad((ours(own)[0] ** 2).sum(), own, create_graph=True)
    second = ts.grad((slope * us).sum(), [own, *ours.parameters()])
    assert_allclose(second[0].numpy(), x.grad.numpy(), rtol=1e-10, atol=1e-12)
    for p, found in zip(ours.parameters(), second[1:], strict=True):
        p.assign_(found)  # they replace the weights, so that to_torch gives them PyTorch's shapes
    arrays = nn.to_torch(ours)
    for name, p in torchs.named_parameters():
        if not name.startswith("bias_hh") or kind == "GRU":
            assert_allclose(arrays[name], p.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_cell_alone(torch, kind):
    """torch.nn.LSTMCell and its like, whose names have no suffix."""
    torch.manual_seed(0)
    torchs, ours = getattr(torch.nn, f"{kind}Cell")(I, H).double(), CELLS[kind](I, H, **F64)
    nn.from_torch({name: t.numpy() for name, t in torchs.state_dict().items()}, ours)
    for _ in range(2):
        x = np.random.default_rng(1).normal(size=(B, I))
        with torch.no_grad():
            after = torchs(torch.tensor(x))
        state, _ = ours(ours.initial_state(B, like=ts.tensor(x)), ts.tensor(x))
        for a, b in zip(*(s if kind == "LSTM" else [s] for s in (state, after)), strict=True):
            assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=1e-13)
        ours = CELLS[kind](I, H, rng=2, **F64)
        torchs.load_state_dict({name: torch.tensor(array) for name, array in nn.to_torch(ours).items()})


@pytest.mark.oracle
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("kind", CELLS)
def test_a_network_without_biases(torch, kind, structure):
    ours, layers, both = network(kind, structure)
    torchs = theirs(torch, kind, layers, both, bias=False)
    nn.from_torch({name: t.numpy() for name, t in torchs.state_dict().items()}, ours)
    agree(torch, ours, torchs, kind, np.random.default_rng(1).normal(size=(T, B, I)))
    arrays = nn.to_weights("torch", ours, bias=False)
    torchs.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})


# --- without PyTorch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("kind", CELLS)
def test_out_and_in_again(kind, structure):
    ours, layers, both = network(kind, structure)
    arrays = nn.to_torch(ours)
    k = {"LSTM": 4, "GRU": 3}.get(kind, 1)
    names = [f"l{n}{end}" for n in range(layers) for end in (["", "_reverse"] if both else [""])]
    width = H * (1 + both)
    assert {name: a.shape for name, a in arrays.items()} == {
        f"{name}_{end}": shape
        for end in names
        for name, shape in {
            "weight_ih": (k * H, I if end.startswith("l0") else width),
            "weight_hh": (k * H, H),
            "bias_ih": (k * H,),
            "bias_hh": (k * H,),
        }.items()
    }
    other, _, _ = network(kind, structure, seed=1)
    identity = [id(p) for p in other.parameters()]
    nn.from_torch(arrays, other)
    assert [id(p) for p in other.parameters()] == identity
    for p, q in zip(ours.parameters(), other.parameters(), strict=True):
        assert (p.numpy() == q.numpy()).all()
    for a in arrays.values():
        a[...] = 7.0
    assert all((p.numpy() != 7.0).all() for p in [*ours.parameters(), *other.parameters()])


def test_dropout_between_layers_has_no_weights():
    first, second = nn.Recurrent(nn.LSTMCell(I, H, rng=0)), nn.Recurrent(nn.LSTMCell(H, H, rng=1))
    plain, dropped = (
        nn.to_torch(nn.Layers(first, second)),
        nn.to_torch(nn.Layers(first, nn.Dropout(0.5), second)),
    )
    assert plain.keys() == dropped.keys()
    assert all((plain[name] == dropped[name]).all() for name in plain)


def test_the_two_biases_of_an_lstm_add_up():
    rnn = nn.Recurrent(nn.LSTMCell(I, H, rng=0))
    arrays = nn.to_torch(rnn)
    assert (arrays["bias_hh_l0"] == 0).all()
    arrays["bias_hh_l0"] += 0.25
    b = rnn.cell.b.numpy()
    nn.from_torch(arrays, rnn)
    assert (rnn.cell.b.numpy() == b + np.float32(0.25)).all()


def test_arrays_that_do_not_fit_are_listed_and_nothing_is_loaded():
    rnn = nn.Bidirectional(nn.LSTMCell(I, H, rng=0), nn.LSTMCell(I, H, rng=1))
    arrays = nn.to_torch(rnn)
    before = rnn.state_dict()
    del arrays["bias_ih_l0"]
    arrays["weight_hr_l0"] = np.zeros(3)
    arrays["weight_ih_l0"] = np.zeros((I, 4 * H))
    arrays["weight_hh_l0_reverse"] = np.zeros((4 * H, H), complex)
    with pytest.raises(ValueError, match="does not fit Bidirectional; nothing was loaded") as caught:
        nn.from_torch(arrays, rnn)
    for words in [
        "missing: bias_ih_l0\n",
        "unexpected: weight_hr_l0\n",
        "weight_ih_l0 needs float32[20,3], got float64[3,20]",
        "weight_hh_l0_reverse needs float32[20,5], got complex128[20,5]",
    ]:
        assert words in f"{caught.value}\n"
    assert all((rnn.state_dict()[name] == before[name]).all() for name in before)


def test_what_pytorch_does_not_have_is_refused():
    def lstm(size=I):
        return nn.LSTMCell(size, H, rng=0)

    shared = lstm(H)
    for module, words in [
        (nn.Recurrent(nn.GRUCell(I, H)), "ResetAfterGRUCell .its GRU., got GRUCell"),
        (nn.Recurrent(nn.Stacked(lstm(), nn.RNNCell(H, H))), "got LSTMCell and RNNCell"),
        (nn.Recurrent(lstm(), reverse=True), "Layers of these, got a Recurrent that runs in reverse"),
        (nn.Bidirectional(nn.Stacked(lstm()), nn.Stacked(lstm())), "got Stacked"),
        (
            nn.Layers(nn.Bidirectional(lstm(), lstm()), nn.Recurrent(lstm(2 * H))),
            "all bidirectional or none of them, got some of each",
        ),
        (nn.Recurrent(nn.Stacked(lstm(), shared, shared)), "got a cell that occurs twice"),
        (nn.Recurrent(nn.Stacked(lstm(), lstm(I + H), input_to_all=True)), "got Stacked"),
        (nn.Recurrent(nn.Stacked(lstm(), lstm(H), all_to_output=True)), "got Stacked"),
        (nn.Layers(nn.Recurrent(lstm()), ts.tanh, nn.Recurrent(lstm(H))), "Layers of these, got "),
        (nn.SelfAttention(I), "Layers of these, got SelfAttention"),
    ]:
        with pytest.raises(TypeError, match=words):
            nn.to_torch(module)
        with pytest.raises(TypeError, match=words):
            nn.from_torch({}, module)
