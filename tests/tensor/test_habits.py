"""What users of PyTorch, JAX or NumPy write, and the result or the error that it gives here.

A table to be read: a line of code, and either its value or the error, with the words that name our way. The
lines see a float32 leaf `t`, integers `ids`, a `mask`, a `model` and a scalar `loss` computed from t.
"""

import re

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.engine import errors
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.nn import habits as layers
from tinygrad_seq.tensor import habits
from tinygrad_seq.tensor.refused import REFUSED

A = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)

WORKS = {  # the line -> the value that its habit expects
    # as in all of them
    "t.shape": (2, 2),
    "t.ndim, t.size, len(t), t.dtype": (2, 4, 2, np.float32),
    "t @ t.T": A @ A.T,
    "t[:, 0]": A[:, 0],
    "t[mask]": A[A > 2],
    "t[ids, ids]": [1, 4],
    "[row.shape for row in t]": [(2,), (2,)],
    "t.sum(axis=0, keepdims=True)": [[4, 6]],
    "t.reshape(4), t.reshape(-1), t.reshape((4,))": (A.ravel(),) * 3,
    "1.0 / t": 1 / A,
    "sum(t)": [4, 6],
    "float(t.sum())": 10.0,
    "t.flatten(), t.ravel(), np.ravel(t)": (A.ravel(),) * 3,
    "np.vstack([t, t])": np.vstack([A, A]),
    "np.dot(t, t), t.dot(t)": (A @ A,) * 2,
    "np.nonzero(t > 2)[0]": [1, 1],
    'f"{t.sum():.2f}"': "10.00",
    # PyTorch's
    "loss.backward() or t.grad.shape": (2, 2),
    "loss.item() > 0": True,
    "t.detach().requires_grad": False,
    "ts.tensor([1.0, 2.0], requires_grad=True).dtype": np.float32,
    "ts.zeros_like(t)": 0 * A,
    "ts.where(mask, t, 0)": np.where(A > 2, A, 0),
    'ts.einsum("ij,jk->ik", t, t)': A @ A,
    "t.argmax(-1)": [1, 1],
    "t.max(1)": [2, 4],  # NumPy's values alone, not PyTorch's pair of values and indices
    "t.std(0)": [1, 1],  # NumPy's, which divides by n, not PyTorch's, which divides by n - 1
    "t.T.shape, t.mT.shape": ((2, 2), (2, 2)),
    "t.to(dtype=np.float64).dtype, t.to('cpu', dtype='float16').dtype": (np.float64, np.float16),
    "t.to(t.device) is t, t.to(dtype='float32') is t": (True, True),
    "ts.no_grad(ts.exp)(t).requires_grad": False,  # as a decorator, @ts.no_grad
    "ts.no_grad()(ts.exp)(t).requires_grad": False,
    "model.parameters()[0].shape, len(model.parameters())": ((2, 3), 2),
    "model.zero_grad()": None,
    "[p.shape for p in model.parameters()]": [(2, 3), (3,)],
    "sorted(model.state_dict())": ["bias", "weight"],
    # JAX's and NumPy's
    "ts.grad(loss, t).shape": (2, 2),
    "np.exp(t)": np.exp(A),
    "np.sum(t, axis=0)": [4, 6],
    "np.clip(t, 2, 3)": np.clip(A, 2, 3),
    "np.linalg.norm(t, axis=1)": np.linalg.norm(A, axis=1),
    "np.concatenate([t, t], axis=1)": np.hstack([A, A]),
    "np.mean(t), t.mean(), ts.mean(t)": (2.5, 2.5, 2.5),
    "np.repeat(t, 2, 1), t.repeat(2, axis=1)": (np.repeat(A, 2, 1),) * 2,
    "t.transpose(1, 0), t.transpose(-1, -2), t.transpose((0, 1))": (A.T, A.T, A),
    "ts.value_and_grad(lambda t: (t * t).sum())(t)[1]": 2 * A,
    "t.astype(np.float64).dtype": np.float64,
}

SAYS = {  # the line -> the error, and the words in which it names our way
    # names
    "t.view(4)": (AttributeError, r"t\.reshape"),
    "t.unsqueeze(0)": (AttributeError, r"ts\.expand_dims\(t, axis\)"),
    "t.permute(1, 0)": (AttributeError, r"t\.transpose"),
    "t.dim(), t.numel()": (AttributeError, r"t\.ndim"),
    "t.expand(3, 2, 2)": (AttributeError, r"ts\.broadcast_to"),
    "t.clamp(0, 1)": (AttributeError, r"t\.clip"),
    "t.masked_fill(mask, 0.0)": (AttributeError, r"ts\.where"),
    "t.gather(1, ids)": (AttributeError, r"ts\.take_along_axis"),
    'ts.cat([t, t], dim=0)': (AttributeError, r"ts\.concatenate"),
    "t.mm(t)": (AttributeError, "t @ u"),
    "t.softmax(-1)": (AttributeError, r"ts\.softmax"),
    "t.exp()": (AttributeError, r"ts\.exp"),
    "t.float()": (AttributeError, r"t\.astype\('float32'\)"),
    "t.clone()": (AttributeError, r"t \+ 0"),
    "t.contiguous()": (AttributeError, "t itself"),
    "t.eq(t)": (AttributeError, "t == u"),
    "ts.gt(t, 2)": (AttributeError, "t > u"),
    "t.mul(t), t.add(t)": (AttributeError, r"t \* u"),
    "t.add(t)": (AttributeError, r"t \+ u"),
    "t.topk(1)": (AttributeError, r"ts\.sort\(t\)\[\.\.\., -k:\]"),
    "t.chunk(2)": (AttributeError, r"ts\.split\(t, n, axis\)"),
    "t.where(mask, 0)": (AttributeError, r"ts\.where\(mask, t, u\)"),
    "t.max(1).values": (AttributeError, r"t\.argmax\(1\) the indices"),
    "t.is_cuda": (AttributeError, r"t\.device != 'cpu'"),
    "t.normal_()": (AttributeError, r"assign_\(rng\.normal"),
    "t.to_numpy()": (AttributeError, r"t\.numpy\(\)"),
    "t.tolist()": (AttributeError, r"t\.numpy\(\)\.tolist\(\)"),
    "t.requires_grad_()": (AttributeError, r"t\.requires_grad = True"),
    "t.grad_fn": (AttributeError, r"t\.line"),
    "ts.zeros(2, 3)": (TypeError, r"ts\.zeros\(\(2, 3\)\)"),
    "ts.randn(2, 3)": (AttributeError, r"rng\.standard_normal"),
    "ts.from_numpy(A)": (AttributeError, r"ts\.tensor\(array\), which copies"),
    "ts.float32": (AttributeError, r"np\.float32"),
    "ts.Tensor([1.0, 2.0])": (TypeError, r"ts\.tensor\(data\)"),
    "ts.manual_seed(0)": (AttributeError, "rng=seed"),
    "ts.norms(t)": (AttributeError, "no attribute 'norms'"),
    "t.norm()": (AttributeError, r"ts\.linalg\.norm\(t\)"),
    "ts.device('cuda')": (AttributeError, r't\.to\("cuda"\)'),
    "ts.cuda.is_available()": (AttributeError, r"ts\.devices\(\).*available"),
    "ts.custom_vjp(ts.exp)": (AttributeError, r"@ts\.primitive.*op\.vjp.*docs/testing\.md"),
    "ts.autograd.Function": (AttributeError, r"@ts\.primitive"),
    "ts.checkpoint(ts.exp, t)": (AttributeError, "remat=n"),
    "ts.tree_map(ts.exp, [t])": (AttributeError, r"ts\.flatten\(tree\)"),
    "ts.lax.scan": (AttributeError, r"ts\.scan"),
    "ts.jacrev(ts.exp)": (AttributeError, r"ts\.jacobian\(f, x\)"),
    "ts.numpy.exp(t)": (AttributeError, r"np\.tanh\(t\)"),
    "ts.one_hot(ids, 2)": (AttributeError, r"np\.eye"),
    "nn.mse_loss(t, t)": (AttributeError, r"nn\.mse\(x, y\)"),
    "nn.Dense(3)": (AttributeError, r"nn\.Linear\(input, output\)"),
    "nn.init.xavier_uniform_(model.weight)": (AttributeError, r"p\.assign_\(nn\.init\.xavier"),
    "nn.init.zeroes": (AttributeError, "no attribute 'zeroes'"),
    "model.fit(A, A)": (AttributeError, r"loss\.backward\(\)"),
    "model.predict(A)": (AttributeError, r"ts\.no_grad\(\)"),
    "model.summary()": (AttributeError, r"print\(module\)"),
    "model.exp(t)": (AttributeError, "a Linear has no attribute 'exp'"),
    "model.half_()": (AttributeError, "a Linear has no attribute 'half_'"),
    "nn.LSTM(2, 3)": (AttributeError, r"nn\.Recurrent\(nn\.LSTMCell"),
    "nn.ReLU()": (AttributeError, r"ts\.relu"),
    "nn.CrossEntropyLoss()": (AttributeError, r"nn\.cross_entropy"),
    "nn.CTCLoss()": (AttributeError, r"nn\.ctc_loss"),
    "nn.functional.relu(t)": (AttributeError, r"ts\.relu"),
    "nn.utils.clip_grad_norm_([t], 1.0)": (AttributeError, r"optim\.clip_grad_norm_"),
    "nn.utils.rnn.pad_sequence([t, t])": (AttributeError, r"nn\.padded\(sequences\)"),
    "__import__('tinygrad_seq.nn.functional').nn.functional.mse_loss": (AttributeError, r"nn\.mse\(x, y\)"),
    "optim.lr_scheduler.StepLR": (AttributeError, "schedule"),
    "np.union1d(t, t)": (TypeError, r"np\.unique\(np\.concatenate"),
    "np.fill_diagonal(t, 1.0)": (TypeError, r"where\(np\.eye"),
    "np.asarray(t)": (TypeError, r"t\.numpy\(\) or t\.detach\(\)"),
    "np.array([t, t])": (TypeError, r"ts\.stack"),
    # functions that are given functions
    "ts.grad(ts.exp)(t)": (TypeError, r"ts\.grad\(f\(x\), x\)"),
    "ts.grad(ts.exp, t)": (TypeError, r"ts\.value_and_grad\(f\)\(x\)"),
    "ts.jacobian(ts.exp)(t)": (TypeError, r"ts\.jacobian\(f, x\)"),
    "ts.hessian(ts.sum)(t)": (TypeError, r"ts\.hessian\(f, x\)"),
    "ts.vmap(ts.exp, t)": (TypeError, r"ts\.vmap\(f\)\(x\)"),
    "type('M', (nn.Module,), {'forward': ts.exp})()(t)": (NotImplementedError, "rename its method forward to"),
    "nn.Module()(t)": (NotImplementedError, "Module does not define __call__$"),
    "np.unwrap(t)": (TypeError, r"np\.unwrap\(t\.numpy\(\)\)"),
    # arguments
    "t.repeat(2, 1)": (TypeError, r"ts\.tile\(t, \(2, 1\)\).*t\.repeat\(2, axis=1\)"),
    "t.transpose(0, 1)": (TypeError, r"t\.swapaxes\(0, 1\)"),
    "t.transpose(-2, -1)": (TypeError, r"t\.swapaxes\(-2, -1\)"),
    "t[None].transpose(1, 2)": (TypeError, r"t\.swapaxes\(1, 2\)"),
    "t.to('float64'), t.to(np.float64)": (ValueError, "dtype=..."),
    "t.zero_grad(set_to_none=True)": (TypeError, r"zero_grad\(\) alone"),
    "model.zero_grad(set_to_none=True)": (TypeError, r"zero_grad\(\) alone"),
    "model.load_state_dict({}, strict=False)": (TypeError, r"\{\*\*model\.state_dict\(\), \*\*state\}"),
    "model.to(dtype='float64', non_blocking=True)": (TypeError, "takes device, dtype"),
    "loss.backward(inputs=[t])": (TypeError, r"ts\.grad\(loss, inputs\)"),
    "ts.jacobian(ts.exp, t, argnums=0)": (TypeError, "a function of that argument"),
    "ts.value_and_grad(ts.sum, has_aux=True)": (TypeError, "a function of one result"),
    "ts.zeros(size=(2, 3))": (TypeError, "size is called shape"),
    "nn.Linear(in_features=2, out_features=3)": (TypeError, "in_features is called input here; out_f"),
    "nn.Linear(2, 3, device='cpu')": (TypeError, r"\.to\(device\)"),
    "nn.LSTMCell(2, 3, num_layers=2)": (TypeError, r"LSTMCell has no argument num_layers.*nn\.Stacked"),
    "nn.Embedding(5, 2, padding_idx=0)": (TypeError, r"lengths= of runners, or ts\.where"),
    "nn.Parameter(A, requires_grad=False)": (TypeError, r"p\.requires_grad = False"),
    "t.sum(dim=1)": (TypeError, "dim is called axis"),
    "t.mean(1, keepdim=True)": (TypeError, "keepdim is called keepdims"),
    "ts.stack([t, t], dim=1)": (TypeError, "dim is called axis"),
    "ts.softmax(t, dim=-1)": (TypeError, "dim is called axis"),
    "t.var(unbiased=False)": (TypeError, "ddof"),
    "ts.roll(t, 1, dims=0)": (TypeError, "dims is called axis"),
    "ts.sort(t, descending=True)": (TypeError, "flip"),
    "t.mean(dtype=int)": (TypeError, "astype"),
    # changes in place
    "setattr(t, 'data', A)": (AttributeError, r"t\.assign_\(values\)"),
    "t.add_(1)": (AttributeError, r"assign_"),
    "t.zero_()": (AttributeError, r"t\.zero_grad\(\)"),
    "t.__setitem__(0, 1.0)": (TypeError, "where"),
    "t.__iadd__(1)": (RuntimeError, "assign_"),
    "t.at[0].set(1.0)": (AttributeError, r"ts\.scatter_add|ts\.where"),
    "np.add(A, t, out=A)": (TypeError, r"a = a \+ t"),
    "t.data.fill(0)": (ValueError, "read-only"),
    # Python
    "t.size()": (TypeError, "'int' object is not callable"),  # NumPy's size; the shape is t.shape
    "next(model.parameters())": (TypeError, "'list' object is not an iterator"),  # model.parameters()[0]
    "bool(t)": (ValueError, "one element.*where"),
    "max(t)": (ValueError, "one element"),
    "t.item()": (ValueError, "one element"),
    "t.backward()": (ValueError, r"loss\.sum\(\)\.backward\(\)"),
    "[loss.backward(), loss.backward()]": (RuntimeError, "retain_graph=True"),
    "ts.tensor([1, 2], requires_grad=True)": (TypeError, "float"),
    "t + [t, t]": (TypeError, "stack or concatenate"),
}  # fmt: skip


def run(line):
    t = ts.tensor(A, requires_grad=True)
    model = nn.Linear(2, 3, rng=0)
    here = {"t": t, "ids": ts.tensor([0, 1]), "mask": t > 2, "model": model, "loss": (model(t) ** 2).mean()}
    return eval(line, {"ts": ts, "nn": nn, "optim": optim, "np": np, "A": A.copy(), **here})


HOST = {  # what is so on the host alone, and why
    "t.data.fill(0)": "CuPy has no read-only arrays",
}


def lines(table):
    """The lines of a table, those of the host alone marked."""
    return [pytest.param(x, marks=pytest.mark.host(HOST[x]) if x in HOST else ()) for x in table]


@pytest.mark.parametrize("line", lines(WORKS))
def test_a_habit_that_works(line):
    found, expected = run(line), WORKS[line]
    if isinstance(expected, tuple) and isinstance(expected[0], np.ndarray):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_array_equal(one.numpy(), other)
    elif isinstance(found, ts.Tensor):
        assert_allclose(found.numpy(), expected, rtol=1e-6)
    elif isinstance(found, np.ndarray):
        assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("line", lines(SAYS))
def test_a_habit_that_is_told_ours(line):
    error, words = SAYS[line]
    with pytest.raises(error, match=words):
        run(line)


TABLES = {
    ts.Tensor: habits.METHODS,
    ts: habits.NAMES,
    nn: layers.NN,
    nn.init: layers.INIT,
    nn.Module: layers.MODULES,
    optim: habits.OPTIM,
}


@pytest.mark.parametrize("owner", TABLES, ids=str)
def test_what_is_told_is_missing(owner):
    """A name that came to exist would never be asked for in the table."""
    assert [name for name in TABLES[owner] if name in dir(owner)] == []


def test_what_is_refused_of_numpy_is_missing():
    assert not REFUSED.keys() & FUNCTIONS.keys()


@pytest.mark.parametrize("owner", TABLES, ids=str)
def test_what_is_told_exists(owner):
    """Every name of ours, or of NumPy, that a table writes."""
    for text in [*TABLES[owner].values(), *errors.INSTEAD.values()]:
        for name in re.findall(r"(?<![\w.])(?:ts|nn|optim|np)(?:\.\w+)+", text):
            assert eval(name, {"ts": ts, "nn": nn, "optim": optim, "np": np}) is not None, name
        for name in re.findall(r"(?<![\w.])t\.(\w+)", text):
            assert name in dir(ts.Tensor), name
        for name in re.findall(r"(?<![\w.])(?:module|model)\.(\w+)", text):
            assert name in dir(nn.Module), name


RANKS = [np.arange(1.0, 3**n + 1).reshape((3,) * n) for n in range(4)]


@pytest.mark.parametrize("name", ["dot", "inner", "vdot", "kron"])
def test_a_product_of_arrays_of_any_rank_is_numpys(name):
    """Or an error of the same class, for np.vdot, which needs as many elements."""
    f = getattr(np, name)
    for a in RANKS:
        for b in RANKS:
            try:
                expected = f(a, b)
            except ValueError:
                with pytest.raises(ValueError, match="matmul"):
                    f(ts.tensor(a), ts.tensor(b))
                continue
            assert_array_equal(f(ts.tensor(a), ts.tensor(b)).numpy(), expected)


@pytest.mark.parametrize("name", ["vstack", "hstack", "dstack", "column_stack"])
def test_a_join_of_arrays_of_any_rank_is_numpys(name):
    f = getattr(np, name)
    for a in RANKS:
        assert_array_equal(f([ts.tensor(a), ts.tensor(a)]).numpy(), f([a, a]))


def test_linspace_between_tensors_is_numpys():
    low, high = np.array([1.0, 2.0]), np.array([3.0, 7.0])
    assert_array_equal(np.linspace(ts.tensor(low), ts.tensor(high), 5).numpy(), np.linspace(low, high, 5))
