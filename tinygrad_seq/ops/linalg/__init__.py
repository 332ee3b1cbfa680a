"""Matrices: what NumPy has in `numpy.linalg`, one file per idea.

triangles     tril and triu, which NumPy has at its top
systems       solve inv pinv lstsq tensorsolve tensorinv
determinants  det slogdet
eigen         eigh eigvalsh
singular      svd svdvals
factors       cholesky qr
powers        matrix_power multi_dot matrix_rank cond
norms         norm vector_norm matrix_norm
array_api     diagonal trace outer cross

matmul, tensordot, vecdot and matrix_transpose are those of the top. Every function accepts a stack of matrices
(..., n, m) where NumPy's does.

>>> import tinygrad_seq as ts
>>> ts.linalg.solve(ts.tensor([[2.0, 0.0], [0.0, 4.0]]), ts.tensor([2.0, 2.0])).numpy()
array([1. , 0.5], dtype=float32)
"""

from tinygrad_seq.ops.linalg.array_api import cross, diagonal, outer, trace
from tinygrad_seq.ops.linalg.determinants import det, slogdet
from tinygrad_seq.ops.linalg.eigen import eigh, eigvalsh
from tinygrad_seq.ops.linalg.factors import cholesky, qr
from tinygrad_seq.ops.linalg.norms import matrix_norm, norm, vector_norm
from tinygrad_seq.ops.linalg.powers import cond, matrix_power, matrix_rank, multi_dot
from tinygrad_seq.ops.linalg.singular import svd, svdvals
from tinygrad_seq.ops.linalg.systems import inv, lstsq, pinv, solve, tensorinv, tensorsolve
from tinygrad_seq.ops.linalg.triangles import tril, triu
from tinygrad_seq.ops.matmul import matmul
from tinygrad_seq.ops.products import tensordot, vecdot
from tinygrad_seq.ops.shape import matrix_transpose

__all__ = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "tril",
    "triu",
    "vecdot",
    "vector_norm",
]
