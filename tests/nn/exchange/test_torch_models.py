"""Whole models from and to PyTorch, by the names of their parts: outputs, gradients, and what does not fit."""

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn

V, E, H, C, T, B = 11, 4, 5, 3, 7, 6
F64 = {"dtype": np.float64}
CELLS = {"LSTM": nn.LSTMCell, "GRU": nn.ResetAfterGRUCell, "RNN": nn.RNNCell}


class Tagger(nn.Module):
    """An embedding, two layers in both directions with dropout between them, a layer norm, a readout."""

    def __init__(self, kind="LSTM", seed=0):
        rng = np.random.default_rng(seed)

        def both(size):
            return nn.Bidirectional(*(CELLS[kind](size, H, rng=rng, **F64) for _ in range(2)))

        self.embedding = nn.Embedding(V, E, rng=rng, **F64)
        self.rnn = nn.Layers(both(E), nn.Dropout(0.5, rng=rng), both(2 * H))
        self.norm = nn.LayerNorm(2 * H, **F64)
        self.head = nn.Linear(2 * H, C, rng=rng, **F64)
        self.eval()

    def __call__(self, ids, lengths=None):
        ys, _ = self.rnn(self.embedding(ids), lengths=lengths)
        return self.head(self.norm(ys))


def arrays_of(module):
    """The state dict of a PyTorch module as arrays."""
    return {name: t.numpy() for name, t in module.state_dict().items()}


def fill(module, state):
    """Load arrays into a PyTorch module, which refuses any name that is missing or unexpected."""
    import torch

    module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})


def different(state, seed=1):
    """Arrays of the same names, shapes and dtypes, all elements random."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=a.shape).astype(a.dtype) * 0.5 for name, a in state.items()}


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=True) for name in one
    )


# --- against PyTorch ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: its models are not compared")


def tagger(torch, kind="LSTM", **names):
    """PyTorch's model, with random weights. `names` renames its attributes."""
    called = {"embedding": "embedding", "rnn": "rnn", "norm": "norm", "head": "head"} | names

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            two = {"num_layers": 2, "bidirectional": True, "dropout": 0.5}
            setattr(self, called["embedding"], torch.nn.Embedding(V, E))
            setattr(self, called["rnn"], getattr(torch.nn, kind)(E, H, **two))
            setattr(self, called["norm"], torch.nn.LayerNorm(2 * H))
            setattr(self, called["head"], torch.nn.Linear(2 * H, C))

        def forward(self, ids, lengths=None):
            embedding, rnn, norm, head = (getattr(self, name) for name in called.values())
            xs = embedding(ids)
            if lengths is None:
                return head(norm(rnn(xs)[0]))
            xs = torch.nn.utils.rnn.pack_padded_sequence(xs, lengths, enforce_sorted=False)
            return head(norm(torch.nn.utils.rnn.pad_packed_sequence(rnn(xs)[0])[0]))

    model = Model().double().eval()
    fill(model, different(arrays_of(model)))
    return model


def agree(torch, ours, theirs):
    ids = np.random.default_rng(2).integers(0, V, (T, B))
    for lengths in (None, [3, 7, 1, 5, 7, 2]):
        with torch.no_grad():
            expected = theirs(torch.tensor(ids), lengths).numpy()
        assert_allclose(ours(ids, lengths).numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", CELLS)
def test_a_model_with_the_same_names_is_loaded_and_computes_the_same(torch, kind):
    theirs, ours = tagger(torch, kind), Tagger(kind)
    assert nn.from_torch(arrays_of(theirs), ours) is ours
    agree(torch, ours, theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_agree(torch, kind):
    theirs, ours = tagger(torch, kind), Tagger(kind)
    nn.from_torch(arrays_of(theirs), ours)
    rng = np.random.default_rng(3)
    ids, weights = rng.integers(0, V, (T, B)), rng.normal(size=(T, B, C))
    (theirs(torch.tensor(ids)) * torch.tensor(weights)).sum().backward()
    (ours(ids) * weights).sum().backward()
    for p in ours.parameters():  # gradients replace the weights, so that to_torch gives them PyTorch's shapes
        p.assign_(p.grad)
    found = nn.to_torch(ours)
    for name, p in theirs.named_parameters():
        if "bias_hh" not in name or kind == "GRU":
            assert_allclose(found[name], p.grad.numpy(), rtol=1e-10, atol=1e-11)


@pytest.mark.oracle
def test_modules_with_other_names_are_named(torch):
    theirs, ours = tagger(torch, embedding="words", rnn="encoder", head="classifier"), Tagger()
    names = {"words": ours.embedding, "encoder": ours.rnn, "classifier": ours.head}  # norm is norm
    nn.from_torch(arrays_of(theirs), ours, names=names)
    agree(torch, ours, theirs)
    other = tagger(torch, embedding="words", rnn="encoder", head="classifier")
    fill(other, nn.to_torch(ours, names=names))
    agree(torch, ours, other)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", CELLS)
def test_our_model_goes_to_pytorch(torch, kind):
    ours, theirs = Tagger(kind, seed=5), tagger(torch, kind)
    fill(theirs, nn.to_torch(ours))
    agree(torch, ours, theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", CELLS)
def test_networks_without_biases(torch, kind):
    """PyTorch's bias=False: ours has the bias 0."""
    theirs = getattr(torch.nn, kind)(E, H, num_layers=2, bias=False).double()
    fill(theirs, different(arrays_of(theirs)))
    cells = CELLS[kind](E, H, rng=0, **F64), CELLS[kind](H, H, rng=1, **F64)
    model = nn.Sequential(nn.Recurrent(nn.Stacked(*cells)))
    nn.from_torch({f"0.{name}": array for name, array in arrays_of(theirs).items()}, model)
    xs = np.random.default_rng(2).normal(size=(T, B, E))
    with torch.no_grad():
        expected = theirs(torch.tensor(xs))[0].numpy()
    assert_allclose(model.layers[0](xs)[0].numpy(), expected, rtol=0, atol=1e-12)
    for cell in cells:
        assert not cell.b.numpy().any()
        assert kind != "GRU" or not cell.bh.numpy().any()


@pytest.mark.oracle
def test_a_network_with_a_projection_is_refused(torch):
    theirs = torch.nn.Sequential(torch.nn.LSTM(E, H, num_layers=2, proj_size=2))
    model = nn.Sequential(nn.Recurrent(nn.Stacked(nn.LSTMCell(E, H), nn.LSTMCell(H, H))))
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        nn.from_torch(arrays_of(theirs), model)
    for words in [
        "unexpected: 0.weight_hr_l0; 0.weight_hr_l1\n",
        "0.weight_hh_l0 needs float32[20,5], got float32[20,2]",
        "0.weight_ih_l1 needs float32[20,5], got float32[20,2]",
        "proj_size, which no cell here has",
    ]:
        assert words in str(caught.value)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_that_a_model_runs_itself(torch, kind):
    """PyTorch's LSTMCell, GRUCell and RNNCell in a loop: their names have no _l0."""

    class Loop(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = getattr(torch.nn, f"{kind}Cell")(E, H)
            self.head = torch.nn.Linear(H, C)

        def forward(self, xs):
            state = (torch.zeros(B, H).double(),) * 2 if kind == "LSTM" else torch.zeros(B, H).double()
            for x in xs:
                state = self.cell(x, state)
            return self.head(state[0] if kind == "LSTM" else state)

    theirs = Loop().double()
    fill(theirs, different(arrays_of(theirs)))
    rnn, head = nn.Recurrent(CELLS[kind](E, H, rng=0, **F64)), nn.Linear(H, C, rng=1, **F64)
    model = nn.ManyToOne(lambda x: x, rnn, head)
    names = {"cell": rnn.cell, "head": head}
    nn.from_torch(arrays_of(theirs), model, names=names)
    xs = np.random.default_rng(2).normal(size=(T, B, E))
    with torch.no_grad():
        expected = theirs(torch.tensor(xs)).numpy()
    assert_allclose(model(xs).numpy(), expected, rtol=0, atol=1e-12)
    other = Loop().double()
    fill(other, nn.to_torch(model, names=names))
    with torch.no_grad():
        assert_allclose(other(torch.tensor(xs)).numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.oracle
def test_containers_have_the_names_of_pytorchs(torch):
    """Sequential 0, 1, ...; lists and dicts by index and key; the layers of a layer; parameters and buffers."""

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(E, H), torch.nn.Tanh(), torch.nn.Linear(H, C))
            self.heads = torch.nn.ModuleDict({"a": torch.nn.Linear(C, 2), "b": torch.nn.Linear(C, 1)})
            self.norms = torch.nn.ModuleList([torch.nn.LayerNorm(2), torch.nn.LayerNorm(1, bias=True)])
            self.scale = torch.nn.Parameter(torch.zeros(2, 3))
            self.register_buffer("mean", torch.zeros(E))

        def forward(self, x):
            x = self.net(x - self.mean)
            return self.norms[0](self.heads["a"](x)) @ self.scale + self.norms[1](self.heads["b"](x))

    class Ours(nn.Module):
        def __init__(self):
            self.net = nn.Sequential(nn.Linear(E, H, **F64), ts.tanh, nn.Linear(H, C, **F64))
            self.heads = {"a": nn.Linear(C, 2, **F64), "b": nn.Linear(C, 1, **F64)}
            self.norms = [nn.LayerNorm(2, **F64), nn.LayerNorm(1, **F64)]
            self.scale = nn.Parameter(np.zeros((2, 3)))
            self.mean = ts.tensor(np.zeros(E))

        def __call__(self, x):
            x = self.net(x - self.mean)
            return self.norms[0](self.heads["a"](x)) @ self.scale + self.norms[1](self.heads["b"](x))

    theirs, ours = Theirs().double(), Ours()
    fill(theirs, different(arrays_of(theirs)))
    nn.from_torch(arrays_of(theirs), ours)
    x = np.random.default_rng(2).normal(size=(B, E))
    with torch.no_grad():
        assert_allclose(ours(x).numpy(), theirs(torch.tensor(x)).numpy(), rtol=0, atol=1e-12)
    assert equal(nn.to_torch(ours), arrays_of(theirs))


@pytest.mark.oracle
def test_a_safetensors_file_that_pytorch_wrote(torch, tmp_path):
    """From the file to the same outputs; in bfloat16, to those of PyTorch with the rounded weights."""
    write = pytest.importorskip("safetensors.torch").save_file
    theirs, ours = tagger(torch), Tagger()
    write(theirs.state_dict(), tmp_path / "model.safetensors")
    nn.from_torch(ts.load(tmp_path / "model.safetensors", foreign=True), ours)
    agree(torch, ours, theirs)
    rounded = theirs.to(torch.bfloat16)
    write(rounded.state_dict(), tmp_path / "half.safetensors")
    nn.from_torch(ts.load(tmp_path / "half.safetensors", foreign=True), ours)
    agree(torch, ours, rounded.double())


# --- without PyTorch ----------------------------------------------------------------------------------


def test_names_and_shapes():
    found = {name: array.shape for name, array in nn.to_torch(Tagger()).items()}
    layers = {
        f"rnn.{name}_l{k}{end}": shape
        for k, size in enumerate((E, 2 * H))
        for end in ("", "_reverse")
        for name, shape in {
            "weight_ih": (4 * H, size),
            "weight_hh": (4 * H, H),
            "bias_ih": (4 * H,),
            "bias_hh": (4 * H,),
        }.items()
    }
    others = {
        "embedding.weight": (V, E),
        "norm.weight": (2 * H,),
        "norm.bias": (2 * H,),
        "head.weight": (C, 2 * H),
        "head.bias": (C,),
    }
    assert found == layers | others


def test_every_misfit_is_in_one_error_and_nothing_is_loaded():
    model = Tagger()
    state, before = different(nn.to_torch(model)), model.state_dict()
    del state["norm.bias"], state["rnn.bias_hh_l1_reverse"]
    state["decoder.weight"] = np.zeros((2, 2))
    state["rnn.weight_hr_l0"] = np.zeros((2, H))
    state["head.weight"] = state["head.weight"].T
    state["embedding.weight"] = np.zeros((V, E), complex)
    with pytest.raises(ValueError, match="does not fit Tagger; nothing was loaded") as caught:
        nn.from_torch(state, model)
    for words in [
        "missing: rnn.bias_hh_l1_reverse; norm.bias\n",
        "unexpected: decoder.weight; rnn.weight_hr_l0\n",
        "head.weight needs float64[3,10], got float64[10,3]",
        "embedding.weight needs float64[11,4], got complex128[11,4]",
        "proj_size",
        "names={",
    ]:
        assert words in f"{caught.value}\n"
    assert equal(model.state_dict(), before)


def test_parts_without_a_counterpart_are_listed_with_their_names():
    model = nn.Sequential(
        nn.Linear(E, E), nn.Recurrent(nn.GRUCell(E, H)), nn.Recurrent(nn.MinimalGatedCell(H, H))
    )
    with pytest.raises(TypeError, match=r"1: PyTorch needs .*, got GRUCell.*\n2: .*, got MinimalGatedCell"):
        nn.to_torch(model)
    with pytest.raises(TypeError, match=r"1: PyTorch needs .*, got GRUCell"):
        nn.from_torch({}, model)


def test_the_error_speaks_of_names_only_if_some_could_be_others():
    model = Tagger()
    state = nn.to_torch(model)
    for wrong in (state | {"extra": np.zeros(2)}, {name: state[name] for name in list(state)[1:]}):
        with pytest.raises(ValueError, match="nothing was loaded") as caught:
            nn.from_torch(wrong, model)
        assert "names=" not in str(caught.value)


def test_a_tensor_that_is_named_is_taken_as_it_is():
    """Also one of a layer or of a cell, of which the rest then has our names."""
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.LSTMCell(3, 4, rng=1))
    layer, cell = model.layers
    found = nn.to_torch(model, names={"tied": layer.weight, "rnn": cell, "U": cell.Wh})
    assert list(found) == ["tied", "0.bias", "rnn.Wx", "U", "rnn.b"]
    assert (found["tied"] == layer.weight.numpy()).all()
    assert (found["U"] == cell.Wh.numpy()).all()


def test_the_insides_of_a_cell_of_our_own_are_named():
    """A cell without a counterpart, made of layers and tensors: if one of these is named, all are taken."""

    class Own(nn.Cell):
        def __init__(self):
            self.input_size = E
            self.read, self.keep = nn.Linear(E, H), nn.Linear(H, H, bias=False)
            self.decay = nn.Parameter(np.zeros(()))

        def initial_state(self, batch, like):
            return ts.zeros((batch, H))

        def __call__(self, h, x):
            h = ts.tanh(self.read(x) + self.decay * self.keep(h))
            return h, h

    model = nn.Sequential(nn.Recurrent(Own()))
    own = model.layers[0].cell
    names = {"cell.i": own.read, "cell.h": own.keep, "cell.gamma": own.decay}
    state = different(nn.to_torch(model, names=names))
    assert {name: array.shape for name, array in state.items()} == {
        "cell.i.weight": (H, E),
        "cell.i.bias": (H,),
        "cell.h.weight": (H, H),
        "cell.gamma": (),
    }
    nn.from_torch(state, model, names=names)
    assert (own.keep.weight.numpy() == state["cell.h.weight"].T).all()
    assert own.decay.item() == state["cell.gamma"]
    with pytest.raises(TypeError, match=r"0: .* got Own; or name the modules inside it"):
        nn.to_torch(model)
    whole = nn.to_torch(model, names={"cell": own, "cell.keep": own.keep})
    assert list(whole) == ["cell.read.weight", "cell.read.bias", "cell.keep.weight", "cell.decay"]


def test_tensors_of_any_shape_and_dtype_are_taken_as_they_are():
    class Own(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(np.ones(()))
            self.cube = nn.Parameter(np.zeros((2, 3, 4), np.float32))
            self.steps = ts.tensor(np.array(0))
            self.mask = ts.tensor(np.zeros((2, 2), bool))
            self.bytes = [ts.tensor(np.zeros(3, np.uint8))]

    model = Own()
    state = {
        "scale": np.array(-0.0),
        "cube": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "steps": np.array(2**53 + 1),
        "mask": np.array([[True, False], [True, True]]),
        "bytes.0": np.array([0, 7, 255], np.uint8),
    }
    nn.from_torch(state, model)
    found = nn.to_torch(model)
    assert equal(found, state)
    assert {name: a.dtype for name, a in found.items()} == {name: a.dtype for name, a in state.items()}
    assert np.signbit(found["scale"])
    with pytest.raises(ValueError, match=r"steps needs int64\[\], got float64\[\]"):
        nn.from_torch(state | {"steps": np.array(1.5)}, model)


def test_what_a_subclass_adds_to_a_layer_is_taken_as_it_is():
    class Scaled(nn.Linear):
        def __init__(self, *sizes):
            super().__init__(*sizes, rng=0)
            self.scale, self.shift = nn.Parameter(np.ones(sizes)), nn.Parameter(np.ones(1))

    model = nn.Sequential(Scaled(2, 3))
    state = different(nn.to_torch(model))
    assert [(name, a.shape) for name, a in state.items()] == [
        ("0.weight", (3, 2)),
        ("0.bias", (3,)),
        ("0.scale", (2, 3)),
        ("0.shift", (1,)),
    ]
    nn.from_torch(state, model)
    assert (model.layers[0].scale.numpy() == state["0.scale"]).all()
    assert (model.layers[0].weight.numpy() == state["0.weight"].T).all()


def test_dropout_has_no_arrays():
    rng = np.random.default_rng(0)
    plain = Tagger()
    dropped = Tagger()
    dropped.rnn = nn.Layers(
        nn.VariationalDropout(0.5, rng=rng),
        nn.RecurrentDropout(dropped.rnn.layers[0], 0.5, rng=rng),
        nn.RecurrentDropout(dropped.rnn.layers[2], 0.5, rng=rng),
    )
    assert equal(nn.to_torch(dropped), nn.to_torch(plain))
    state = different(nn.to_torch(plain))
    ids = np.arange(T * B).reshape(T, B) % V
    expected = nn.from_torch(state, plain)(ids).numpy()
    assert (nn.from_torch(state, dropped).eval()(ids).numpy() == expected).all()


def test_a_model_within_a_model_that_wraps_it():
    """torch.nn.DataParallel and torch.compile write `module.` and `_orig_mod.` before every name."""
    model, other, third = (Tagger(seed=seed) for seed in range(3))
    wrapped = nn.to_torch(model, names={"module": model})
    assert wrapped.keys() == {f"module.{name}" for name in nn.to_torch(model)}
    nn.from_torch(wrapped, other, names={"module": other})
    nn.from_torch(wrapped, third)  # a prefix that all names share is ignored
    assert equal(nn.to_torch(other), nn.to_torch(model))
    assert equal(nn.to_torch(third), nn.to_torch(model))


def test_keys_of_a_dict_may_contain_what_separates_names():
    class Own(nn.Module):
        def __init__(self):
            self.heads = {"a/b": nn.Linear(2, 3, rng=0), "c.d": nn.Linear(2, 1, rng=0)}

    model = Own()
    state = different(nn.to_torch(model))
    state["heads.a/b.weight"] = state.pop("heads.a.b.weight")  # as PyTorch has it
    nn.from_torch(state, model)
    assert (model.heads["a/b"].weight.numpy() == state["heads.a/b.weight"].T).all()


def test_a_module_under_two_names_has_one_value():
    """PyTorch's state dict has the arrays of a shared module under each of its names."""

    class Twice(nn.Module):
        def __init__(self, seed):
            self.encoder = nn.Embedding(V, E, rng=seed)
            self.decoder = [self.encoder, nn.Linear(E, C, rng=seed)]

    one, other = Twice(0), Twice(1)
    state = nn.to_torch(one)
    assert list(state) == ["encoder.weight", "decoder.0.weight", "decoder.1.weight", "decoder.1.bias"]
    assert nn.from_torch(state, other).encoder.weight.numpy().tolist() == one.encoder.weight.numpy().tolist()
    state["encoder.weight"][0, 0] = state["decoder.0.weight"][0, 0] = np.nan  # NaN is the same as NaN
    assert np.isnan(nn.from_torch(state, other).encoder.weight.numpy()[0, 0])
    before = other.state_dict()
    state["decoder.0.weight"] = state["decoder.0.weight"] + 1
    with pytest.raises(
        ValueError, match=r"Twice shares .* nothing was loaded\n  encoder\.weight and decoder\.0\.weight"
    ):
        nn.from_torch(state, other)
    assert equal(other.state_dict(), before)
    once = {name: array for name, array in state.items() if name != "decoder.0.weight"}
    once["shared.weight"] = once.pop("encoder.weight")
    nn.from_torch(once, other, names={"shared": other.encoder})
    assert equal(nn.to_torch(other, names={"shared": other.encoder}), once)


def test_names_that_are_wrong():
    model, stranger = Tagger(), nn.Linear(2, 2)
    state = nn.to_torch(model)
    for names, words in [
        ({"head": stranger}, "head is a Linear that is not in Tagger"),
        ({"w": nn.LSTMCell(2, 2).Wx}, r"w is a float32\[2,8\] that is not in Tagger"),
        ({"lstm": "rnn"}, "lstm needs a module or tensor of Tagger, got str 'rnn'"),
        ({"norm": model.head}, r"two parts of Tagger .* norm\.weight, norm\.bias;"),
    ]:
        for call in (
            lambda n=names: nn.from_torch(state, model, names=n),
            lambda n=names: nn.to_torch(model, names=n),
        ):
            with pytest.raises((TypeError, ValueError), match=words):
                call()
    assert equal(nn.to_torch(model), state)
