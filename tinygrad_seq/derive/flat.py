"""Trees of tensors as one vector, which is what optimizers and solvers of other libraries work on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.joining import concatenate, split
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


def flatten(parts: object) -> tuple[Tensor, Callable[[ArrayLike | Tensor], Any]]:
    """The elements of a tree of tensors as one vector, and the function that makes a tree of such a vector.

    The vector has the widest dtype of the tensors. The function gives each tensor its shape and its dtype back;
    both ways are on the tape. TypeError for a leaf that is not a float tensor or array; ValueError for a vector
    of another length.

    >>> import tinygrad_seq as ts
    >>> vector, unflatten = ts.flatten({"w": ts.tensor([[1.0, 2.0]]), "b": ts.tensor(3.0)})
    >>> vector.numpy()
    array([1., 2., 3.], dtype=float32)
    >>> unflatten(2 * vector)
    {'w': tensor([[2., 4.]], float32, cpu), 'b': tensor(6., float32, cpu)}
    """
    leaves = list(map(as_tensor, tree.leaves(parts)))
    for x in leaves:
        if x.dtype.kind != "f":
            raise TypeError(f"flatten needs floats, which can be moved continuously, got {describe(x)}")
    specs = [(x.shape, x.dtype) for x in leaves]
    ends = list(itertools.accumulate(math.prod(shape) for shape, _ in specs))

    def unflatten(vector: ArrayLike | Tensor) -> Any:
        if np.shape(vector) != (total,):
            raise ValueError(f"unflatten needs a vector of {total} elements, got {describe(as_tensor(vector))}")
        *pieces, _ = split(as_tensor(vector), ends)
        return tree.like(
            parts,
            [astype(reshape(piece, shape), dtype) for piece, (shape, dtype) in zip(pieces, specs, strict=True)],
        )

    total = ends[-1] if ends else 0
    dtype = np.result_type(*[dtype for _, dtype in specs]) if specs else np.dtype(np.float32)
    flat = [astype(reshape(x, -1), dtype) for x in leaves]
    return (concatenate(flat) if flat else as_tensor(np.zeros(0, dtype))), unflatten
