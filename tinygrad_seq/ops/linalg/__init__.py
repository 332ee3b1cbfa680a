"""Matrices: what NumPy has in `numpy.linalg`, one file per idea.

products    matmul
triangles   tril and triu, which NumPy has at its top
systems     solve
factors     cholesky
norms       norm

Every function accepts a stack of matrices (..., n, m) where NumPy's does.

>>> import tinygrad_seq as ts
>>> ts.linalg.solve(ts.tensor([[2.0, 0.0], [0.0, 4.0]]), ts.tensor([2.0, 2.0])).numpy()
array([1. , 0.5], dtype=float32)
"""

from tinygrad_seq.ops.linalg.factors import cholesky
from tinygrad_seq.ops.linalg.norms import norm
from tinygrad_seq.ops.linalg.products import matmul
from tinygrad_seq.ops.linalg.systems import solve
from tinygrad_seq.ops.linalg.triangles import tril, triu

__all__ = ["cholesky", "matmul", "norm", "solve", "tril", "triu"]
