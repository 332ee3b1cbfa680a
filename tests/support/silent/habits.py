"""Habits: what users of other libraries write, and what would then be another result without a word."""

import numpy as np

import tinygrad_seq as ts
from silent import T, refused, right

counterpart = "has no counterpart for tensors"


@refused(TypeError, "np.emath.sqrt", counterpart, by="emath.sqrt(-1) = i, which is no real number")
def a_complex_square_root():
    return np.emath.sqrt(T([-1.0]))


@refused(TypeError, "np.linalg.outer", counterpart, by="NumPy 2.4: np.linalg.outer takes vectors only")
def an_outer_product_of_matrices():
    return np.linalg.outer(T([[1.0]]), T([[1.0]]))


@refused(TypeError, "ts.tensordot(t, u, (-1, -1))", by="inner_ij = sum_k t_ik u_jk, and t @ u sums over u_kj")
def an_inner_product_of_matrices():
    return np.inner(T([[1.0, 2.0], [3.0, 4.0]]), T([[1.0, 0.0], [1.0, 0.0]]))


@refused(TypeError, "ts.reshape(t, -1) @ ts.reshape(u, -1)", by="vdot = sum_ij t_ij u_ij, a number")
def a_product_of_flattened_matrices():
    return np.vdot(T([[1.0, 2.0], [3.0, 4.0]]), T([[1.0, 0.0], [1.0, 0.0]]))


@refused(TypeError, "ts.tensordot(t, u, (-1, -2))", by="dot_iajb = sum_k t_iak u_jkb has four axes")
def a_dot_product_of_stacks():
    return np.dot(T(np.ones((2, 2, 2))), T(np.ones((2, 2, 2))))


@refused(TypeError, "ts.stack([...]) of vectors", by="vstack makes rows, concatenate one vector")
def vectors_as_rows():
    return np.vstack([T([1.0, 2.0]), T([3.0, 4.0])])


@right((np.array([2.0, 4.0]), np.array([6.0])), by="d/dw (|w|^2 + |b|^2) = 2 w, 2 b")
def the_gradient_of_a_dict():
    parameters = {"w": T([1.0, 2.0]), "b": T([3.0])}
    loss = (parameters["w"] ** 2).sum() + (parameters["b"] ** 2).sum()
    found = ts.grad(loss, parameters)
    return found["w"], found["b"]
