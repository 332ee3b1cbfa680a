"""Moves between host and device: which are made, which are errors, and their cost. Skipped without a device."""

import copy
import pickle
import sys

import doors
import numpy as np
import pytest
from combined import COMBINED
from doors import costs

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.scan.over_time import unrolled
from tinygrad_seq.testing import check_grad, check_primitive, tensors
from tinygrad_seq.testing.strategies import Call
from tinygrad_seq.training import serialize, train

pytestmark = pytest.mark.skipif(doors.NAME == "numpy", reason="needs a device: --backend=double, or cupy")
A = np.arange(6.0).reshape(2, 3)


@pytest.fixture(autouse=True)
def _open_doors():
    with doors.open_doors():
        yield


@pytest.fixture
def xp():
    return sys.modules["cupy"]


def there(a, requires_grad=False, dtype=None):
    return ts.tensor(a, device="cuda", requires_grad=requires_grad, dtype=dtype)


def here(a, requires_grad=False):
    return ts.tensor(a, requires_grad=requires_grad)


# --- in and out -----------------------------------------------------------------------------------------


def test_a_tensor_is_made_where_it_is_asked_for():
    made = there([1.0]), ts.zeros((2, 3), device="cuda"), ts.ones(2, device="cuda:0")
    for t in (*made, nn.Parameter(A, device="cuda")):
        assert t.device == "cuda:0"
        assert (t * 2).device == "cuda:0"
    assert ts.zeros(2).device == here(A).device == "cpu"
    assert ts.ones(2, device="cuda").numpy().tolist() == [1.0, 1.0]


def test_making_zeros_and_ones_uploads_nothing():
    with costs():
        ts.zeros((2, 3), device="cuda")
        ts.ones(2, device="cuda", requires_grad=True)


def test_an_array_of_cupys_is_taken_without_the_host(xp):
    array = xp.asarray(A)
    with costs():
        t = ts.tensor(array, requires_grad=True)
        assert ts.tensor(array, dtype=np.float32).dtype == np.float32
        assert t.device == "cuda:0"
        sums = array * t, t * array, array + t, array - t
        for z in (*sums, t / (array + 1), array @ t.T, array < t, array**t):
            assert isinstance(z, ts.Tensor)
        assert isinstance(np.where(array > 1, t, 0.0), ts.Tensor)
        assert isinstance(np.multiply(array, t), ts.Tensor)
        assert isinstance(np.einsum("ij,ij->", t, array), ts.Tensor)
    array[...] = 0.0
    assert t.numpy().tolist() == A.tolist()  # it is a copy
    assert ts.tensor(array, device="cpu").device == "cpu"
    assert ts.tensor(t).device == "cuda:0"


def test_a_move_is_differentiable_and_gradients_come_back():
    x = here(A, requires_grad=True)
    with costs(uploads=1):
        y = x.to("cuda")
    assert y.device == "cuda:0"
    assert y.to("cuda:0") is y
    assert x.to("cpu") is x
    (y * y).sum().backward()
    assert x.grad.device == "cpu"
    assert x.grad.numpy().tolist() == (2 * A).tolist()
    z = there(A, requires_grad=True)
    (z.to("cpu") ** 2).sum().backward()
    assert z.grad.device == "cuda:0"
    assert z.grad.numpy().tolist() == (2 * A).tolist()
    _, dy = ts.jvp(lambda x: x.to("cuda") * 3.0, [x], [np.ones_like(A)])
    assert dy.device == "cuda:0"


def test_values_are_read_when_they_are_asked_for():
    t = there(2.5)
    for read in (lambda t: t.item(), float, lambda t: t.numpy(), repr, str, lambda t: f"{t:.1f}", bool):
        with costs(downloads=1):
            read(t)
    with costs():
        assert t.shape == ()
        assert t.dtype == np.float32
        assert t.device == "cuda:0"
    with pytest.raises(TypeError, match=r"float32\[\] on cuda:0 is not converted to NumPy implicitly"):
        np.asarray(t)
    assert repr(t) == "tensor(2.5, float32, cuda:0)"


def test_copies_and_pickles_stay_on_the_device():
    t = there(A, requires_grad=True)
    for twin in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert twin.device == "cuda:0"
        assert twin.numpy().tolist() == A.tolist()


def test_devices_names_what_is_there():
    host, *others = ts.devices()
    assert (host.name, host.available) == ("cpu", True)
    assert [d.name for d in others] == [f"cuda:{i}" for i in range(len(others))]
    assert all(d.available and "CuPy" in d.about for d in others)


def test_a_device_that_there_is_not():
    with pytest.raises(RuntimeError, match=r"'cuda:77' is not available: CuPy finds \d+, the first is cuda:0"):
        ts.tensor(1.0, device="cuda:77")


# --- errors for arrays on different devices --------------------------------------------------------------

MIXED = {
    "add": lambda x, y: x + y,
    "matmul": lambda x, y: x @ y.T,
    "where": lambda x, y: ts.where(x > 1, x, y),
    "contract": lambda x, y: ts.einsum("ij,ij->i", x, y),
    "concatenate": lambda x, y: ts.concatenate([x, y]),
    "stack": lambda x, y: ts.stack([x, y]),
    "multiply": lambda x, y: x * (y.sum() * 3.0),  # a 0-d array, which CuPy would accept
    "getitem": lambda x, y: x[y[0].astype(int)],
    "take_along_axis": lambda x, y: ts.take_along_axis(x, y.astype(int), 1),
    "maximum": lambda x, y: ts.maximum(x, y),
    "solve": lambda x, y: ts.solve(x[:, :2] + 1.0, y[:, :1]),
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("swapped", [False, True], ids=["device first", "host first"])
def test_tensors_of_two_devices_do_not_mix(name, swapped):
    x, y = there(0 * A), here(0 * A)
    with pytest.raises(TypeError, match=r"needs all arrays on one device") as raised:
        MIXED[name](y, x) if swapped else MIXED[name](x, y)
    for part in ("cuda:0", "cpu", ".to("):
        assert part in str(raised.value)


def test_the_error_names_the_arguments():
    with pytest.raises(TypeError, match=r"add needs all arrays on one device, but x is on cuda:0, y is on cpu"):
        there(A) + here(A)
    with pytest.raises(TypeError, match=r"arrays\[1\] is on cuda:0, arrays\[2\] is on cpu"):
        ts.stack([there(A), there(A), here(A)])


@pytest.mark.parametrize("array", [A, np.array(2.0)])
def test_an_array_of_the_host_does_not_mix(array):
    with pytest.raises(TypeError, match="needs all arrays on one device"):
        there(A) * array
    with pytest.raises(TypeError, match="needs all arrays on one device"):
        ts.einsum("ij,...->ij" if array.ndim == 0 else "ij,ij->ij", there(A), array)


def test_numbers_and_scalars_mix():
    x = there(A.astype(np.float32))
    for number in (2, 2.5, np.float32(2)):
        assert (x * number).dtype == (number * x).dtype == np.float32
    assert (x * np.float64(2)).dtype == np.float64


def test_two_cards_do_not_mix(xp):
    if xp.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is no second device")
    x, y = there(A), ts.tensor(A, device="cuda:1")
    assert y.device == "cuda:1"
    with pytest.raises(TypeError, match=r"x is on cuda:0, y is on cuda:1"):
        x + y
    assert (x + y.to("cuda:0")).device == "cuda:0"
    with xp.cuda.Device(1):  # the current device computes
        assert (y * y).device == "cuda:1"


MISPLACED = {
    "gradient": lambda x, y: setattr(x, "grad", y),
    "new value": lambda x, y: x.assign_(y),
    "cotangent": lambda x, y: (x * 1.0).backward(y),
    "tangent": lambda x, y: ts.jvp(lambda x: x * 2.0, [x], [y]),
}


@pytest.mark.parametrize("what", MISPLACED)
def test_what_belongs_to_a_tensor_is_where_it_is(what, xp):
    for x, y in ((there(A, True), here(A)), (here(A, True), there(A)), (here(A, True), xp.asarray(A))):
        with pytest.raises(TypeError, match=f"the {what} of .* on (cpu|cuda:0) is on (cpu|cuda:0): move it"):
            MISPLACED[what](x, y)
    MISPLACED[what](there(A, True), A)  # from the host, it is moved to the device


def test_a_scan_runs_on_one_device():
    step = lambda c, x: (c + x, c)  # noqa: E731
    with pytest.raises(TypeError, match=r"needs all arrays on one device"):
        ts.scan(step, there([0.0] * 3), here(A))
    with pytest.raises(TypeError, match=r"a scan needs all its tensors on one device, got"):
        ts.scan(lambda c, x: ((c[0] * 2.0, c[1] + 1), x), (there([0.0] * 3), here(1)), there(A))


# --- indices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [[0, 1], np.array([1, 0, -2]), (slice(None), np.array([2, 0])), (np.array([0, 1]), [2, -3]), A[:, 0] > 1,
     (..., np.array([1])), (None, np.array([1]), slice(1)), np.uint8(1), (1, np.array([[0, 2]])), A > 2],
)  # fmt: skip
def test_an_index_of_the_host_goes_to_the_device(key):
    assert there(A)[key].numpy().tolist() == A[key].tolist()
    x = there(A, requires_grad=True)
    (x[key] ** 2).sum().backward()
    expected = np.zeros_like(A)
    np.add.at(expected, key, 2 * A[key])
    assert x.grad.numpy().tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("read", "axis", "index"),
    [
        (lambda x: x[[0, 2]], 0, 2),
        (lambda x: x[:, np.array([0, -4])], 1, -4),
        (lambda x: x[..., np.array([3])], 1, 3),
        (lambda x: x[None, np.array([5])], 0, 5),
        (lambda x: x[np.array([0]), np.array([9])], 1, 9),
        (lambda x: ts.take(x, [3], axis=1), 1, 3),
        (lambda x: ts.take_along_axis(x, np.array([[0], [3]]), 1), 1, 3),
        (lambda x: ts.scatter_add(x, ([0], [3]), 1.0), 1, 3),
    ],
)
def test_an_index_of_the_host_out_of_range_is_refused_before_it_goes(read, axis, index):
    x = there(A)
    with (
        costs(),
        pytest.raises(IndexError, match=f"index {index} is out of bounds for axis {axis} with size"),
    ):
        read(x)


def test_an_index_on_the_device_that_nobody_looks_at_gives_nan():
    table = nn.Embedding(4, 3, rng=0).to("cuda")
    ids = there([[0, 4], [3, -1]])
    with costs():
        y = table(ids)
    assert np.isnan(y.numpy()).any(-1).tolist() == [[False, True], [False, True]]
    with pytest.raises(IndexError, match=r"ids must lie within 0 \.\.\. 3; the smallest is 0, the largest 4"):
        table([0, 4])
    logits = there(np.zeros((2, 3)), requires_grad=True)
    loss = nn.cross_entropy(logits, there([0, 3]), reduction="none")
    assert np.isnan(loss.numpy()).tolist() == [False, True]
    assert not np.isnan(nn.cross_entropy(logits, there([0, 99]), ignore_index=99).item())
    with pytest.raises(IndexError, match="targets must lie within"):
        nn.cross_entropy(logits, [0, 3])


def test_a_length_on_the_device_that_nobody_looks_at_gives_nan():
    rnn = nn.Recurrent(nn.GRUCell(3, 4, rng=0)).to("cuda")
    xs = there(np.ones((5, 2, 3), np.float32))
    ys, h = rnn(xs, lengths=there([2, 6]))
    assert np.isnan(ys.numpy()).any((0, 2)).tolist() == np.isnan(h.numpy()).any(1).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"lengths must lie within 0 \.\.\. 5"):
        rnn(xs, lengths=[2, 6])


@pytest.mark.parametrize("kind", ["?", "i1", "i2", "u1", "i4", "f2"])
def test_a_scatter_of_any_dtype_adds(kind):
    x = there(np.array([1, 0, 1]).astype(kind))
    added = ts.scatter_add(x, [0, 2, 0], there(np.array([1, 1, 1]).astype(kind)))
    expected = np.array([1, 0, 1]).astype(kind)
    np.add.at(expected, [0, 2, 0], np.array([1, 1, 1]).astype(kind))
    assert added.dtype == expected.dtype
    assert added.numpy().tolist() == expected.tolist()


def test_an_index_of_the_host_goes_once():
    """It is not uploaded again in the backward pass."""
    x, rows = there(A, requires_grad=True), np.array([1, 0, 1])
    with costs(uploads=1):
        (x[rows] ** 2).sum().backward()
        assert x.grad.device == "cuda:0"


# --- the same numbers on both ------------------------------------------------------------------------------


class Model(nn.Module):
    """A small model with many kinds of layers."""

    def __init__(self, rng):
        self.embedding = nn.Embedding(7, 5, rng=rng)
        self.rnn = nn.Stacked(
            nn.LSTMCell(5, 4, rng=rng), nn.GRUCell(4, 4, rng=rng), nn.ResetAfterGRUCell(4, 4, rng=rng)
        )
        self.runner = nn.Recurrent(self.rnn)
        self.norm = nn.LayerNorm(4)
        self.dropout = nn.Dropout(0.5, rng=rng)
        self.head = nn.Linear(4, 7, rng=rng)

    def __call__(self, ids, lengths):
        ys, _ = self.runner(self.embedding(ids), lengths=lengths)
        return self.head(self.dropout(self.norm(ys)))


METHODS = {
    "SGD": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9),
    "RMSprop": lambda ps: optim.RMSprop(ps, lr=0.01, centered=True, momentum=0.5),
    "Adam": lambda ps: optim.Adam(ps, lr=0.01),
    "AdamW": lambda ps: optim.AdamW(ps, lr=0.01),
}


def training(device, make, steps=3, *, moved=None, path=None):
    """The weights after some steps; with `path`, half of the steps on one device, half on another."""
    model = Model(np.random.default_rng(0)).to(device, dtype=np.float64)
    optimizer = make(model.parameters())
    data = np.random.default_rng(1)
    for step in range(steps):
        if moved and step == steps // 2:
            serialize.save(path, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
            mask_rng = model.dropout.rng
            model = Model(np.random.default_rng(9)).to(moved, dtype=np.float64)
            model.dropout.rng = mask_rng
            optimizer = make(model.parameters())
            state = serialize.load(path)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
        ids, targets = data.integers(0, 7, (2, 5, 3))
        loss = nn.cross_entropy(model(ids, [5, 0, 3]), targets)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(optimizer.parameters, 0.5)
        optim.clip_grad_value_(optimizer.parameters, 0.4)
        optimizer.step()
    return [p.numpy() for p in model.parameters()]


@pytest.mark.parametrize("name", METHODS)
def test_training_gives_the_same_weights(name):
    """The same seed gives the same weights and masks on every device; the results differ only by rounding."""
    for one, other in zip(training("cpu", METHODS[name]), training("cuda", METHODS[name]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_checkpoint_moves_between_devices(tmp_path, first, second):
    whole = training("cpu", METHODS["Adam"], 4)
    found = training(first, METHODS["Adam"], 4, moved=second, path=tmp_path / "state")
    for one, other in zip(whole, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_state_is_loaded_from_wherever_it_is(xp):
    """Host arrays, tensors on either device, and CuPy arrays."""
    source = nn.Linear(3, 2, rng=0).state_dict()
    for kind in (np.asarray, here, there, xp.asarray):
        for device in ("cpu", "cuda"):
            model = nn.Linear(3, 2, rng=1).to(device)
            model.load_state_dict({name: kind(array) for name, array in source.items()})
            assert model.weight.device.startswith(device)
            assert (model.weight.numpy() == source["weight"]).all()


def test_an_optimizer_says_so_when_its_parameters_moved_on():
    model = nn.Linear(3, 2, rng=0)
    optimizer = optim.Adam(model.parameters())
    model.to("cuda")
    (model(there(A.astype(np.float32))) ** 2).sum().backward()
    with pytest.raises(
        ValueError, match=r"on cuda:0, but .* on cpu; move or convert a model before you create its optimizer"
    ):
        optimizer.step()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_makes_gradients_nan(bad):
    p, q = there(A, True), there(A, True)
    p.grad, q.grad = there(np.full_like(A, bad)), there(A)
    with costs():
        norm = optim.clip_grad_norm_([p, q], 1.0)
    assert not np.isfinite(norm.item())
    assert np.isnan(q.grad.numpy()).all()


def test_a_scan_is_the_loop():
    w, c = there(np.eye(3) * 0.5, True), there(np.ones((2, 3)), True)
    xs = there(np.arange(24.0).reshape(4, 2, 3) / 24, True)

    def step(h, x):
        h = ts.tanh(h @ w + ts.clip(x, 0.1, 0.9)) * ts.max(h, axis=1, keepdims=True)
        return h, ts.einsum("bi,bj->bij", h, h)

    found = []
    for loop in (ts.scan, unrolled):
        h, ys = loop(step, c, xs)
        grads = ts.grad(h.sum() + (ys * ys).sum(), [w, c, xs], create_graph=True)
        found.append([h, ys, *grads, *ts.grad((grads[0] ** 2).sum(), [c, xs])])
    for one, other in zip(*found, strict=True):
        assert one.device == "cuda:0"
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-11, atol=1e-12)


def test_a_program_of_the_host_is_not_run_on_the_device():
    """The same step on both devices: the programs differ only in the device."""
    step = lambda c, x: (ts.sigmoid(c) * 0.5 + x, c)  # noqa: E731
    for make in (here, there, here):
        c, ys = ts.scan(step, make(A[0]), make(A))
        assert c.device == ys.device == make(1.0).device


def test_explain_prints_the_source_for_the_device():
    xs = there(np.ones((5, 2, 3), np.float32))
    text = str(ts.explain(nn.GRUCell(3, 4, rng=0).to("cuda"), ts.zeros((2, 4), device="cuda"), xs))
    assert "matmul(" in text
    assert "dot(" not in text


# --- the testing kit ---------------------------------------------------------------------------------------


def test_the_kit_holds_ops_and_functions_to_the_laws_on_a_device(xp):
    check_primitive(ts.tanh, device="cuda")
    check_grad(lambda x, w: ts.tanh(x @ w.T), there(A), there(A))
    check_grad(lambda x: ts.tanh(x), xp.asarray(A))
    with pytest.raises(AssertionError, match="suspect"):
        check_grad(lambda x: ts.tanh(x) + ts.exp(x).detach(), there(A))


def test_the_kit_notices_an_op_that_leaves_the_device():
    from tinygrad_seq.engine.primitive import Primitive
    from tinygrad_seq.testing.values import values

    def leaving(x, /):
        return x.get()

    op = Primitive(leaving, "()->()")
    with pytest.raises((AssertionError, TypeError)):
        values(Call(op, (A,), {}, (False,), 0, "cuda"))


def test_strategies_draw_on_a_device():
    import hypothesis

    @hypothesis.settings(max_examples=3, database=None)
    @hypothesis.given(tensors((2, 3), device="cuda"))
    def check(x):
        assert x.device == "cuda:0"

    check()


# --- a training step does not wait for the device ------------------------------------------------------------


def step_of(unroll):
    """A training step of a small character model, with dropout, clipping and a schedule."""
    rng = np.random.default_rng(0)
    model = nn.Embedding(7, 5, rng=rng).to("cuda"), nn.Linear(4, 7, rng=rng).to("cuda")
    runner = nn.Recurrent(nn.LSTMCell(5, 4, rng=rng), unroll=unroll).to("cuda")
    dropout = nn.Dropout(0.3, rng=rng)
    parameters = [p for m in (*model, runner) for p in m.parameters()]
    optimizer = optim.Adam(parameters, lr=0.01)
    schedule = optim.warmup(2, optim.cosine(0.01, 10))
    ids = rng.integers(0, 7, (6, 2))
    state = None

    def step():
        nonlocal state
        ys, state = runner(dropout(model[0](ids[:-1])), state)
        loss = nn.cross_entropy(model[1](ys), ids[1:]) * 8.0  # as loss scaling does
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(parameters, 1.0)
        optim.clip_grad_value_(parameters, 1.0)
        optimizer.step()
        optimizer.lr = schedule(optimizer.steps)
        state = tuple(s.detach() for s in state)
        return loss

    return step


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
@pytest.mark.parametrize("unroll", [True, False], ids=["eager", "scan"])
def test_a_training_step_waits_for_nothing(unroll):
    """Three uploads: the ids, the targets, and the dropout mask, which is drawn on the host."""
    step = step_of(unroll)
    step()  # compile first
    with costs(uploads=3, synchronisations=0):
        losses = [step()]
    with costs(downloads=1):
        assert np.isfinite(losses[0].item())


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
@pytest.mark.parametrize("unroll", [True, False], ids=["eager", "scan"])
@pytest.mark.parametrize("name", nn.CELLS | COMBINED)
def test_no_cell_waits_or_uploads(name, unroll):
    make = (nn.CELLS | COMBINED)[name]
    rnn = nn.Recurrent(make(3, 5, rng=np.random.default_rng(0)), unroll=unroll).to("cuda")
    readout = nn.Linear(5, 2, rng=1).to("cuda")  # in a reservoir only the readout is trained
    optimizer = optim.Adam([*rnn.parameters(), *readout.parameters()])
    xs = there(np.ones((4, 2, 3), np.float32))

    def step():
        ys, _ = rnn(xs)
        optimizer.zero_grad()
        (readout(ys) ** 2).mean().backward()
        optimizer.step()

    step()  # compiles
    with costs(
        downloads=4 * 2 if unroll and name == "adaptive" else 0
    ):  # it reads whether all have halted after every visit except the last
        step()


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_an_adaptive_cell_looks_after_each_visit_whether_all_rows_have_halted():
    """It does so outside a scan, except after the last possible visit; in a scan it reads nothing."""
    act = nn.ACTCell(nn.GRUCell(3 + 1, 5, rng=0), max_steps=4, rng=1).to("cuda")
    act.halting.weight.assign_(there(np.zeros((5, 1), np.float32)))
    x = there(np.ones((2, 3), np.float32))
    for bias, visits, looks in ((5.0, 1, 1), (1.0, 2, 2), (-1.0, 4, 3), (-50.0, 4, 3)):
        act.halting.bias.assign_(there(np.array([bias], np.float32)))
        state = act.initial_state(2, like=x)
        with costs(downloads=looks):
            _, (_, ponder, steps) = act(state, x)
        with costs():
            (_, again, _), _ = nn.Recurrent(act)(x[None])
        assert steps.numpy().tolist() == [visits] * 2
        assert (again.numpy()[0] == ponder.numpy()).all()


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_only_an_integer_power_of_integers_is_waited_for():
    n, x = there([2, 3]), there([2.0, 3.0])
    with costs(uploads=0, downloads=0, synchronisations=0):
        results = [n**2, n**-1.0, x**-1, x**n, 2.0**n]
        with pytest.raises(ValueError, match="negative integer powers"):
            n**-1
    with costs(downloads=1):
        results.append(2**n)
    assert all(z.shape == (2,) for z in results)


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_the_character_model_waits_for_nothing():
    sys.path.insert(0, "examples")
    try:
        from char_lm import CharTask
    finally:
        sys.path.pop(0)
    text = "the quick brown fox jumps over the lazy dog; " * 600
    task = CharTask(text, None, 0, "cuda", 1.0)
    task.step()
    with costs(uploads=2, synchronisations=0):
        figures = task.step()
    assert np.isfinite(figures["training_bits"].item())
    task.validation = np.tile(task.validation, 4)  # three chunks
    with costs(uploads=6, downloads=1):
        task.validate()


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_figures_are_read_when_they_are_saved(tmp_path):
    """The training loop reads figures only when it shows or saves a line."""

    class Count:
        columns, epoch, work, fingerprint = ("loss",), 1000, ("steps", 1), {"seed": 0}

        def __init__(self):
            self.loss, self.seen = there([4.0]), []

        def step(self):
            self.loss = self.loss * 0.5
            self.seen.append(counts.downloads)
            return {"loss": self.loss}

        def validate(self):
            return {}

        finish = validate

        def state_dict(self):
            return {"loss": self.loss.numpy()}

    task = Count()
    with sys.modules["cupy"].watch() as counts:
        train(task, tmp_path, 60)
    assert task.seen[:50] == [1] * 50  # the state before the first step
    # then also the line of step 50, the figures of 50 lines, and the state
    assert task.seen[50:] == [1 + 1 + 50 + 1] * 10
    rows = (tmp_path / "log.csv").read_text().split()
    assert rows[:3] == ["step,loss", "1,2.0", "2,1.0"]
    assert len(rows) == 61
