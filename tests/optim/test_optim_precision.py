"""The law of precision: in float16 and float32 every optimizer follows the float64 trajectory, up to rounding.

The gradients are the same numbers in both. They are as large and as small as the dtype can hold, so that no
square of one fits, and the steps are so short that float16 weights could not hold them.
"""

import inspect

import doors
import numpy as np
import pytest
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

STEPS = 50
OPTIMIZERS = {  # the learning rate is for gradients of the given scale; eps is relative to it
    "SGD": lambda ps, lr, scale, eps: optim.SGD(ps, lr / scale),
    "momentum": lambda ps, lr, scale, eps: optim.SGD(ps, lr / scale, momentum=0.9),
    "Nesterov": lambda ps, lr, scale, eps: optim.SGD(ps, lr / scale, momentum=0.9, nesterov=True),
    "RMSprop": lambda ps, lr, scale, eps: optim.RMSprop(ps, lr, alpha=0.9, eps=eps),
    "RMSprop, momentum": lambda ps, lr, scale, eps: optim.RMSprop(ps, lr, alpha=0.9, eps=eps, momentum=0.5),
    "RMSprop, centered": lambda ps, lr, scale, eps: optim.RMSprop(ps, lr, alpha=0.9, eps=eps, centered=True),
    "Adam": lambda ps, lr, scale, eps: optim.Adam(ps, lr, eps=eps),
    "AdamW": lambda ps, lr, scale, eps: optim.AdamW(ps, lr, eps=eps, weight_decay=0.5),
    "Nesterov, decaying": lambda ps, lr, scale, eps: optim.SGD(
        ps, lr / scale, momentum=0.9, nesterov=True, weight_decay=scale / 10
    ),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


def test_the_list_of_optimizers_is_complete():
    public = {x for name in optim.__all__ if inspect.isclass(x := getattr(optim, name))} - {
        optim.Optimizer,
        optim.EMA,
    }
    p = nn.Parameter(np.zeros(1))
    assert {type(make([p], 0.1, 1.0, 1e-8)) for make in OPTIMIZERS.values()} == public


def trajectory(make, dtype, gradients, lr, scale, eps):
    """The parameters after every step, in float64, and the sum of the lengths of the steps."""
    p = nn.Parameter(np.linspace(-2, 2, gradients.shape[1]).astype(np.float16).astype(dtype))
    optimizer, places = make([p], lr, scale, eps), []
    for g in gradients:
        p.grad = ts.tensor(g.astype(dtype))
        optimizer.step()
        places.append(p.numpy().astype(np.float64))
    return np.array(places)


def assert_follows(make, dtype, gradients, lr, scale, eps):
    found = trajectory(make, dtype, gradients, lr, scale, eps)
    right = trajectory(make, np.float64, gradients.astype(np.float64), lr, scale, eps)
    travelled = np.abs(np.diff(right, axis=0, prepend=right[:1])).sum(axis=0)
    rounding = np.finfo(np.float32).eps * STEPS * (np.abs(right) + 3 * travelled)
    if dtype == np.float16:
        rounding += np.finfo(np.float16).eps / 2 * np.abs(right) + np.finfo(np.float16).smallest_subnormal
    assert np.isfinite(right).all()
    assert (np.abs(found - right) <= rounding).all(), np.max(np.abs(found - right) / rounding)
    return right


def drawn(dtype, scales):
    """Gradients for all steps, of these scales, between 0.1 and 1 times the scale; some are 0."""
    rng = np.random.default_rng(0)
    scales = np.broadcast_to(scales, 32)
    signed = rng.uniform(0.1, 1, size=(STEPS, 32)) * rng.choice([-1, 1], size=(STEPS, 32))
    signed[:, ::8] = 0
    signed[1::2, 1::8] = 0
    return (signed * scales).astype(dtype)


@every_optimizer
@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e-8, 1.0, 1e10, 1e20, 1e30, 3e37])
@pytest.mark.parametrize("relative", [False, True], ids=["eps 1e-8", "eps 1e-8 of the scale"])
def test_float32_follows_float64(make, scale, relative):
    eps = 1e-8 * scale if relative else 1e-8
    right = assert_follows(make, np.float32, drawn(np.float32, scale), 1e-2, scale, eps)
    assert not relative or (right[0] != right[-1])[1:8].all()  # there was something to follow


@every_optimizer
@pytest.mark.parametrize("scale", [1e-7, 1e-4, 1.0, 300.0, 6e4])
@pytest.mark.parametrize("relative", [False, True], ids=["eps 1e-8", "eps 1e-8 of the scale"])
def test_float16_follows_float64(make, scale, relative):
    eps = 1e-8 * scale if relative else 1e-8
    assert_follows(make, np.float16, drawn(np.float16, scale), 1e-4, scale, eps)


@every_optimizer
def test_every_element_of_a_parameter_has_a_scale_of_its_own(make):
    gradients = drawn(np.float32, np.logspace(-30, 30, 32))
    for eps in (1e-8, 1e-38):
        assert_follows(make, np.float32, gradients, 1e-2, 1e30, eps)


@every_optimizer
def test_a_square_that_overflows_is_remembered_and_saved(make, tmp_path):
    """After gradients of 1e25, ordinary ones; the run is saved and resumed between them, with the same bits."""
    gradients = drawn(np.float32, 1.0)
    gradients[5:10] *= np.float32(1e25)
    ps = [nn.Parameter(np.zeros(32, np.float32)) for _ in range(2)]
    whole, resumed = (make([p], 1e-2, 1e25, 1e-8) for p in ps)
    for step, g in enumerate(gradients):
        if step in (4, 12):
            state, resumed = resumed.state_dict(), make([ps[1]], 1.0, 1.0, 1e-8)
            resumed.load_state_dict(state)
        for p, optimizer in zip(ps, (whole, resumed), strict=True):
            p.grad = ts.tensor(g)
            optimizer.step()
        assert_array_equal(ps[0].numpy(), ps[1].numpy())
    assert_follows(make, np.float32, gradients, 1e-2, 1e25, 1e-8)


# --- float16: the master copy -------------------------------------------------------------------------


def test_steps_that_float16_cannot_hold_add_up():
    p = nn.Parameter(np.ones(1, np.float16))
    optimizer = optim.SGD([p], lr=1e-4)
    for _ in range(50):
        p.grad = ts.tensor(np.ones(1, np.float16))
        optimizer.step()
    assert_allclose(p.numpy(), [1 - 50e-4], rtol=5e-4)


def test_an_assigned_value_replaces_the_master_and_an_equal_one_does_not():
    p = nn.Parameter(np.ones(2, np.float16))
    optimizer = optim.SGD([p], lr=1e-4)

    def steps(count):
        for _ in range(count):
            p.grad = ts.tensor(np.ones(2, np.float16))
            optimizer.step()

    steps(3)
    p.assign_(np.array([p.numpy()[0], 5.0], np.float16))
    steps(1)
    assert_allclose(host(optimizer.masters[0]), [1 - 4e-4, 5 - 1e-4], rtol=1e-7)


@every_optimizer
@pytest.mark.parametrize("first", ["weights", "optimizer"])
def test_a_float16_run_resumes_with_the_same_bits(make, first):
    gradients = drawn(np.float16, 1.0)
    p, q = (nn.Parameter(np.ones(32, np.float16)) for _ in range(2))
    whole, resumed = make([p], 1e-4, 1.0, 1e-8), make([q], 1.0, 1.0, 1e-8)
    load = [lambda: q.assign_(p.numpy()), lambda: resumed.load_state_dict(whole.state_dict())]
    for step, g in enumerate(gradients):
        if step == 20:
            for call in load if first == "weights" else reversed(load):
                call()
        p.grad = ts.tensor(g)
        whole.step()
        if step >= 20:
            q.grad = ts.tensor(g)
            resumed.step()
            assert_array_equal(p.numpy(), q.numpy())


def test_only_float16_has_masters():
    ps = [nn.Parameter(np.ones(2, dtype)) for dtype in (np.float32, np.float16, np.float32)]
    optimizer = optim.Adam(ps)
    assert [a.dtype for a in optimizer.state_dict()["m"]] == [np.float32] * 3
    assert optim.Adam([nn.Parameter(np.ones(2))]).state_dict()["m"][0].dtype == np.float64
    assert [a.dtype for a in optimizer.state_dict()["masters"]] == [np.float32]
    assert "masters" not in optim.Adam(ps[::2]).state_dict()
    state = optimizer.state_dict()
    state["masters"] = []
    with pytest.raises(ValueError, match="masters needs 1 arrays"):
        optimizer.load_state_dict(state)


class Own(optim.Optimizer):
    """An optimizer of a user, whose slot is made in one of two ways."""

    def __init__(self, parameters, lr, *, narrow=False):
        super().__init__(parameters, lr)
        self.v = [np.zeros_like(p.data) for p in self.parameters] if narrow else self.zeros()

    def slots(self):
        return {"v": self.v}

    def update(self, i, p, g, scratch):
        np.add(self.v[i], g, out=self.v[i])
        np.multiply(self.v[i], self.lr, out=scratch)
        np.subtract(p, scratch, out=p)


def test_an_optimizer_of_a_user_gets_the_master_and_must_keep_its_slots_in_float32():
    gradients = drawn(np.float16, 1.0)
    assert_follows(lambda ps, lr, scale, eps: Own(ps, lr), np.float16, gradients, 1e-4, 1.0, 1e-8)
    p = nn.Parameter(np.ones(2, np.float16))
    p.grad = ts.tensor(np.ones(2, np.float16))
    with pytest.raises(TypeError, match=r"Own keeps float16 arrays in its slot v, .* self\.zeros\(\)"):
        Own([p], 0.1, narrow=True).step()
    assert_array_equal(p.numpy(), [1, 1])


def test_a_parameter_whose_dtype_changed_is_refused():
    model = nn.Linear(2, 2, rng=0)
    optimizer = optim.Adam(model.parameters())
    model.to(dtype=np.float16)
    model(np.ones((1, 2), np.float16)).sum().backward()
    with pytest.raises(ValueError, match=r"float16\[2,2\] .* float32 .* move or convert a model before you"):
        optimizer.step()


# --- the squares --------------------------------------------------------------------------------------


@pytest.mark.host("on a device the squares are in float64 from the start")
def test_squares_are_in_the_dtype_of_the_step_until_one_overflows():
    ps = [nn.Parameter(np.ones(2, np.float32)) for _ in range(2)]
    optimizer = optim.Adam(ps)
    for p, g in zip(ps, (1e19, 2e19), strict=True):
        p.grad = ts.tensor(np.full(2, g, np.float32))
    optimizer.step()
    assert [v.dtype for v in optimizer.v] == [np.float32, np.float64]
    assert [v.dtype for v in optim.Adam(ps, eps=1e-13).v] == [np.float64, np.float64]


@pytest.mark.parametrize("kind", [optim.Adam, optim.RMSprop])
def test_a_float64_gradient_that_cannot_be_squared_is_an_error_or_nan(kind):
    """On a device nobody waits for the overflow: the weight shows it."""
    p = nn.Parameter(np.ones(2))
    p.grad = ts.tensor(np.array([1.0, 1e160]))
    optimizer = kind([p])
    if doors.NAME == "numpy":
        with pytest.raises(
            FloatingPointError, match=rf"{kind.__name__} cannot square a gradient of float64\[2\]"
        ):
            optimizer.step()
        assert_array_equal(p.numpy(), [1, 1])
    else:
        optimizer.step()
        assert_array_equal(np.isnan(p.numpy()), [False, True])


def test_a_state_moves_between_narrow_and_wide_squares():
    """From a device to the host and back, or from an optimizer with a small eps, no bit is lost."""
    p = nn.Parameter(np.ones(2, np.float32))
    narrow, wide = optim.Adam([p]), optim.Adam([p], eps=1e-20)
    p.grad = ts.tensor(np.float32([0.1, 0.2]))
    for one, other in ((narrow, wide), (wide, narrow)):
        one.step()
        other.load_state_dict(one.state_dict())
        assert_array_equal(host(other.v[0]), host(one.v[0]))
    assert doors.NAME != "numpy" or narrow.v[0].dtype == np.float64
