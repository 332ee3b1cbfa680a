"""Training: steps of optimizers that overflow, underflow or round to nothing; hyperparameters; checkpoints."""

import math
import tempfile
from pathlib import Path

import numpy as np

import tinygrad_seq as ts
from silent import T, refused, right
from tinygrad_seq import nn, optim, tasks, testing
from tinygrad_seq.training import CheckpointError, Learner, serialize, train

f2, f4 = np.float16, np.float32


def stepped(kind, gradient, dtype, steps=1, **options):
    """A weight of 1 after some steps with the same gradient."""
    p = T(np.ones(1, dtype))
    optimizer = kind([p], **options)
    for _ in range(steps):
        p.grad = ts.tensor(np.array([gradient], dtype))
        optimizer.step()
    return p.numpy()


# --- float16 ------------------------------------------------------------------------------------------


@right([1.0], by="Adam, Kingma & Ba 2015: m = 0")
def adam_in_float16_with_a_zero_gradient():
    return stepped(optim.Adam, 0.0, f2, lr=0.1)


@right([1.0 - 1e-3], by="AdamW, Loshchilov & Hutter 2019: p - lr weight_decay p", rtol=5e-4)
def adamw_in_float16_with_a_zero_gradient():
    return stepped(optim.AdamW, 0.0, f2, lr=0.1)


@right([1.0], by="RMSprop: d = 0 / (sqrt n + eps)")
def rmsprop_in_float16_with_a_zero_gradient():
    return stepped(optim.RMSprop, 0.0, f2, lr=0.1)


@right([0.9], by="Adam: the first step is lr g / (|g| + eps)", rtol=5e-4)
def adam_in_float16_with_a_gradient_of_1e_4():
    return stepped(optim.Adam, 1e-4, f2, lr=0.1)


@right([0.9], by="RMSprop: the first step is lr / sqrt(1 - alpha)", rtol=5e-4)
def rmsprop_in_float16_with_a_gradient_of_1e_4():
    return stepped(optim.RMSprop, 1e-4, f2, lr=0.01)


@right([0.9], by="Adam: the first step is lr g / (|g| + eps)", rtol=5e-4)
def adam_in_float16_with_a_gradient_of_300():
    return stepped(optim.Adam, 300.0, f2, lr=0.1)


@right([0.9], by="RMSprop: the first step is lr / sqrt(1 - alpha)", rtol=5e-4)
def rmsprop_in_float16_with_a_gradient_of_60_000():
    return stepped(optim.RMSprop, 6e4, f2, lr=0.01)


@right([0.99], by="100 steps of lr g = 1e-4", rtol=5e-4)
def sgd_in_float16_whose_steps_are_below_the_precision_of_the_weight():
    return stepped(optim.SGD, 1.0, f2, steps=100, lr=1e-4)


# --- squares of gradients -----------------------------------------------------------------------------


@right([0.9], by="PyTorch 2.13.0, torch.optim.Adam")
def adam_in_float32_with_a_gradient_of_1e20():
    return stepped(optim.Adam, 1e20, f4, lr=0.1)


@right([0.9], by="Adam: the first step is lr g / (|g| + eps)")
def adam_in_float32_with_the_largest_gradient():
    return stepped(optim.Adam, np.finfo(f4).max, f4, lr=0.1)


@right([0.9], by="PyTorch 2.13.0, torch.optim.RMSprop")
def rmsprop_in_float32_with_a_gradient_of_1e20():
    return stepped(optim.RMSprop, 1e20, f4, lr=0.01)


@right([0.99], by="RMSprop: lr sqrt((1 - alpha) / (alpha - alpha^2)) / sqrt alpha, alpha = 1/2, is lr / alpha")
def rmsprop_centered_in_float32_with_a_gradient_of_1e20():
    return stepped(optim.RMSprop, 1e20, f4, lr=0.005, alpha=0.5, centered=True)


@right([0.95], by="Adam: the first step is lr g / (|g| + eps)")
def adam_in_float32_with_a_gradient_of_1e_30_and_an_eps_of_1e_30():
    return stepped(optim.Adam, 1e-30, f4, lr=0.1, eps=1e-30)


def clipped(gradient, dtype, bound):
    p = T(np.zeros(len(gradient), dtype))
    p.grad = ts.tensor(np.array(gradient, dtype))
    return optim.clip_grad_norm_([p], bound), p.grad


@right((5e200, np.array([0.6, 0.8])), by="|(3, 4)| = 5")
def the_norm_of_a_gradient_of_1e200():
    return clipped([3e200, 4e200], np.float64, 1.0)


@right((5e-200, np.array([3e-201, 4e-201])), by="|(3, 4)| = 5")
def the_norm_of_a_gradient_of_1e_200():
    return clipped([3e-200, 4e-200], np.float64, 5e-201)


@right((50_000.0, np.array([0.6, 0.8])), by="|(3, 4)| = 5", rtol=5e-4)
def the_norm_of_a_gradient_in_float16():
    return clipped([3e4, 4e4], f2, 1.0)


@refused(TypeError, "clip_grad_norm_ needs a list of parameters", by="its rows are no parameters")
def clipping_one_tensor_whose_rows_have_no_gradient():
    return optim.clip_grad_norm_(T([1.0, 2.0]), 1.0)


# --- hyperparameters ----------------------------------------------------------------------------------

WRONG = {
    "SGD needs a number lr in [0, inf), got -0.1": lambda p: optim.SGD([p], -0.1),
    "Adam needs a number lr in [0, inf), got nan": lambda p: optim.Adam([p], math.nan),
    "SGD needs a number lr in [0, inf), got str '0.1'": lambda p: optim.SGD([p], "0.1"),
    "SGD needs a number momentum in [0, 1], got -0.5": lambda p: optim.SGD([p], 0.1, -0.5),
    "Adam needs a number betas in [0, 1), got 1.5": lambda p: optim.Adam([p], betas=(1.5, 0.9)),
    "Adam needs a number betas in [0, 1), got 1.0": lambda p: optim.Adam([p], betas=(0.9, 1.0)),
    "Adam needs a number eps in (0, inf), got -1e-08": lambda p: optim.Adam([p], eps=-1e-8),
    "AdamW needs a number eps in (0, inf), got 0": lambda p: optim.AdamW([p], eps=0),
    "RMSprop needs a number alpha in [0, 1), got 1.5": lambda p: optim.RMSprop([p], alpha=1.5),
    "AdamW needs a number weight_decay in [0, inf), got -1": lambda p: optim.AdamW([p], weight_decay=-1),
    "warmup needs an integer steps in [0, inf), got -1": lambda p: optim.warmup(-1, optim.constant(1.0)),
    "warmup needs a schedule, got float 0.1": lambda p: optim.warmup(3, 0.1),
    "cosine needs an integer steps in [1, inf), got 0": lambda p: optim.cosine(0.1, 0),
    "step_decay needs an integer every in [1, inf), got 0": lambda p: optim.step_decay(0.1, 0),
    "constant needs a number lr in [0, inf), got nan": lambda p: optim.constant(math.nan),
    "Dropout needs a number p in [0, 1), got nan": lambda p: nn.Dropout(math.nan),
    "LayerNorm needs a number eps in [0, inf), got -1": lambda p: nn.LayerNorm(2, eps=-1),
    "spelled needs an integer number in [0, 999], got 1000": lambda p: tasks.spelled(1000),
    "addition needs an integer digits in [1, 15], got 19": lambda p: tasks.addition(2, 1, digits=19),
    "identical_halves needs an integer symbols in [2, inf), got 1": lambda p: tasks.identical_halves(
        3, symbols=1
    ),
    "check_grad needs an integer order in [1, inf), got 0": lambda p: testing.check_grad(ts.tanh, p, order=0),
    "VectorAsState needs an integer end in [0, 4), got 4": lambda p: nn.VectorAsState(
        nn.Embedding(4, 2, rng=0), nn.GRUCell(2, 3, rng=0), nn.Linear(3, 4, rng=0), end=4
    ),
    "padded needs an integer fill in (-inf, inf), got float 0.5": lambda p: nn.padded([[1, 2], [3]], 0.5),
}
for text, wrong in WRONG.items():

    def hyperparameter(call=wrong):
        return call(T([1.0]))

    hyperparameter.__name__ = text.replace(" ", "_")
    kind = TypeError if "got str" in text or "got float" in text else ValueError  # of another type, or outside
    refused(kind, text, by="its definition")(hyperparameter)

SAME = {  # what a number of NumPy must not widen
    "Dropout": lambda x: nn.Dropout(np.float64(0.5), rng=0)(x),
    "VariationalDropout": lambda x: nn.VariationalDropout(np.float64(0.5), rng=0)(x),
    "RecurrentDropout": lambda x: nn.RecurrentDropout(
        nn.Recurrent(nn.RNNCell(2, 2, rng=0)), np.float64(0.5), rng=0
    )(x[None])[0],
    "LayerNorm": lambda x: nn.LayerNorm(2, eps=np.float64(0.5))(x),
    "huber": lambda x: nn.huber(x, x * 2, delta=np.float64(0.5)),
    "label_smoothing": lambda x: nn.cross_entropy(x, [0, 1], label_smoothing=np.float64(0.5)),
    "EchoStateCell": lambda x: nn.EchoStateCell(2, 3, leak=np.float64(0.5), rng=0)(ts.zeros((2, 3)), x)[1],
    "LiquidStateCell": lambda x: nn.LiquidStateCell(2, 3, decay=np.float64(0.5), filter=np.float64(0.5), rng=0)(
        (ts.zeros((2, 3)),) * 3, x
    )[1],
    "ACTCell": lambda x: nn.ACTCell(nn.RNNCell(3, 3, rng=0), epsilon=np.float64(0.5), rng=0)(
        ts.zeros((2, 3)), x
    )[1][0],
    "ridge": lambda x: nn.ridge(x[None], x[None], penalty=np.float32(1)).weight,
    "uniform": lambda x: ts.tensor(nn.init.uniform((2, 2), np.float64(1), rng=0)),
}
for name, call in SAME.items():

    def dtype(call=call):
        return np.dtype(call(ts.tensor([[1.0, 2.0], [3.0, 4.0]])).dtype).itemsize

    dtype.__name__ = f"the_dtype_of_{name}_with_a_number_of_numpy"
    right(4, by="Python's number: float32 stays float32")(dtype)


# --- checkpoints --------------------------------------------------------------------------------------


class Line(Learner):
    """y = 2 x, learned."""

    def build(self, rng):
        return nn.Linear(1, 1, rng=rng)

    def loss(self):
        x = self.rng.standard_normal((8, 1), f4)
        return nn.mse(self.model(x), 2.0 * x)


def resumed(change):
    """Resume a run whose checkpoint was changed; its checksum is right."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(Line(folder), folder, 2)
        path = folder / "checkpoint.safetensors"
        state = serialize.load(path)
        change(state)
        serialize.save(path, state)
        task = Line(folder)
        before = task.state_dict()
        try:
            train(task, folder, 4, resume=True)
        finally:
            for part in ("weight", "bias"):
                assert (task.state_dict()["model"][part] == before["model"][part]).all()


def lacking(name):
    return lambda state: state.pop(name)


BROKEN = {
    "step": lacking("step"),
    "log": lacking("log"),
    "task": lacking("task"),
    "fingerprint": lacking("fingerprint"),
    "integer step in [0, inf), got -5": lambda state: state.update(step=-5),
    "integer step in [0, inf), got float 50.5": lambda state: state.update(step=50.5),
    "m[1] needs": lambda state: state["task"]["optimizer"]["m"].__setitem__(1, np.zeros(7, f4)),
    "nothing was loaded": lambda state: state["task"]["rng"].update(bit_generator="Nobody"),
}
for text, change in BROKEN.items():

    def checkpoint(change=change):
        return resumed(change)

    checkpoint.__name__ = "a_checkpoint_whose_error_says_" + text.replace(" ", "_")
    refused(CheckpointError, text, by="it is not the state of the run")(checkpoint)
