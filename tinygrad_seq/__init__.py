"""tinygrad_seq: sequence learning from scratch, on a tape that reads like the mathematics.

>>> import tinygrad_seq as ts
>>> x = ts.tensor([1.0, 2.0], requires_grad=True)
>>> loss = ts.sum(3.0 * ts.square(x))
>>> loss.backward()
>>> x.grad
tensor([ 6., 12.], float32)
"""

from tinygrad_seq import nn, optim
from tinygrad_seq.derive import grad, jvp
from tinygrad_seq.ops.comparison import (
    bitwise_and,
    bitwise_or,
    equal,
    greater,
    greater_equal,
    invert,
    isfinite,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    sign,
)
from tinygrad_seq.ops.creation import ones_like, zeros_like
from tinygrad_seq.ops.elementwise import (
    abs,
    add,
    astype,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    relu,
    safe_product,
    sigmoid,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from tinygrad_seq.ops.indexing import getitem, take, take_along_axis
from tinygrad_seq.ops.linalg import matmul
from tinygrad_seq.ops.reduction import argmax, logsumexp, max, mean, sum
from tinygrad_seq.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    transpose,
    unstack,
)
from tinygrad_seq.ops.softmax import log_softmax, softmax
from tinygrad_seq.primitive import numpy_function, primitive
from tinygrad_seq.serialize import load, save
from tinygrad_seq.signature import example
from tinygrad_seq.tape import no_grad
from tinygrad_seq.tensor import Tensor, tensor
from tinygrad_seq.version import __version__

__all__ = [  # in the order in which a reader should meet them
    # the tensor
    "tensor",
    "Tensor",
    "no_grad",
    # derivatives
    "grad",
    "jvp",
    # elementwise
    "safe_product",
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "power",
    "square",
    "sqrt",
    "abs",
    "exp",
    "log",
    "tanh",
    "sigmoid",
    "relu",
    "maximum",
    "minimum",
    "where",
    "astype",
    # comparison
    "sign",
    "isnan",
    "isfinite",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_not",
    "logical_and",
    "logical_or",
    "invert",
    "bitwise_and",
    "bitwise_or",
    # creation
    "zeros_like",
    "ones_like",
    # reduction
    "sum",
    "max",
    "logsumexp",
    "mean",
    "argmax",
    # shape
    "reshape",
    "transpose",
    "swapaxes",
    "broadcast_to",
    "expand_dims",
    "squeeze",
    "concatenate",
    "stack",
    "split",
    "unstack",
    # indexing
    "getitem",
    "take",
    "take_along_axis",
    # linalg
    "matmul",
    # softmax
    "softmax",
    "log_softmax",
    # ops of your own
    "primitive",
    "example",
    "numpy_function",
    # models
    "nn",
    "optim",
    "save",
    "load",
    "__version__",
]
