"""Habits: what users of other libraries write, and what would then be another result without a word."""

from functools import partial

import numpy as np

import tinygrad_seq as ts
from silent import T, refused, right
from tinygrad_seq import nn, optim

counterpart = "has no counterpart for tensors"


@refused(TypeError, "np.emath.sqrt", counterpart, by="emath.sqrt(-1) = i, which is no real number")
def a_complex_square_root():
    return np.emath.sqrt(T([-1.0]))


@refused(ValueError, "outer expects two vectors", by="NumPy 2.4: np.linalg.outer takes vectors only")
def an_outer_product_of_matrices():
    return np.linalg.outer(T([[1.0]]), T([[1.0]]))


@right(np.array([[1.0, 1.0], [3.0, 3.0]]), by="inner_ij = sum_k t_ik u_jk, and t @ u sums over u_kj")
def an_inner_product_of_matrices():
    return np.inner(T([[1.0, 2.0], [3.0, 4.0]]), T([[1.0, 0.0], [1.0, 0.0]]))


@right(4.0, by="vdot = sum_ij t_ij u_ij, a number")
def a_product_of_flattened_matrices():
    return np.vdot(T([[1.0, 2.0], [3.0, 4.0]]), T([[1.0, 0.0], [1.0, 0.0]]))


@right(np.full((2, 2, 2, 2), 2.0), by="dot_iajb = sum_k t_iak u_jkb has four axes")
def a_dot_product_of_stacks():
    return np.dot(T(np.ones((2, 2, 2))), T(np.ones((2, 2, 2))))


@right(np.array([[1.0, 2.0], [3.0, 4.0]]), by="vstack makes rows, concatenate one vector")
def vectors_as_rows():
    return np.vstack([T([1.0, 2.0]), T([3.0, 4.0])])


@right((np.array([2.0, 4.0]), np.array([6.0])), by="d/dw (|w|^2 + |b|^2) = 2 w, 2 b")
def the_gradient_of_a_dict():
    parameters = {"w": T([1.0, 2.0]), "b": T([3.0])}
    loss = (parameters["w"] ** 2).sum() + (parameters["b"] ** 2).sum()
    found = ts.grad(loss, parameters)
    return found["w"], found["b"]


wider = partial(refused, UserWarning, "float64", "take twice the time", "astype", "model.to")
slow = "NumPy: float32 times float64 is float64, of which a processor computes half as many in the same time"


@wider(by=slow)
def a_wide_input_of_a_layer():
    return nn.Linear(3, 2, rng=0)(np.zeros((5, 3)))


@wider(by=slow)
def a_wide_input_of_a_runner():
    return nn.Recurrent(nn.LSTMCell(3, 2, rng=0))(np.zeros((4, 5, 3)))


@refused(UserWarning, "as float64[2]", "nn.Parameter(array) keeps the dtype", by=slow)
def a_wide_parameter_among_others():
    class Scaled(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(3, 2, rng=0)
            self.scale = nn.Parameter(np.ones(2))

    return optim.Adam(Scaled().parameters(), lr=0.1)


@right(0.0, by="a float64 network with float64 data, as a gradient check uses it, has nothing to warn of")
def a_network_in_float64():
    model = nn.Recurrent(nn.RNNCell(3, 2, rng=0, dtype=np.float64))
    ys, _ = model(np.zeros((4, 5, 3)))
    optim.Adam(model.parameters(), lr=0.1)
    return ys.sum() - ys.sum()


powers = refused(
    ValueError, "negative integer powers", by="2^-1 = 1/2 is no integer; NumPy 2.4 refuses it, CuPy gives 0"
)


@powers
def a_negative_power_of_integers():
    return ts.tensor([2, 3]) ** -1


@powers
def a_negative_power_in_a_tensor():
    return ts.tensor([2, 3]) ** ts.tensor([1, -1])


@powers
def a_negative_power_of_a_number():
    return 2 ** ts.tensor([1, -1])


@powers
def a_negative_power_in_a_scan():
    return ts.scan(lambda c, _: (c, c**-1), ts.tensor([2, 3]), length=2)
