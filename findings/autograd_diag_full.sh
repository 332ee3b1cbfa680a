#!/usr/bin/env bash
# autograd 1.9.1: np.diag of a matrix that is not square, np.full of an array and np.full_like have wrong gradients,
# without a message.
#
# The rule of np.diag is np.diag itself, which makes a square matrix of the gradient of a diagonal: for a matrix of
# shape (2, 3) the gradient has the shape (2, 2), and NumPy broadcasts or adds it to something else later. The rule of
# np.full sums the whole cotangent, also where the fill value is an array: the gradient of 3 numbers is one number.
# np.full_like is listed among the functions without a derivative: its fill value receives 0. The warning "Output seems
# independent of input" comes only if nothing else depends on the value, so here it does not.
#
# Seen:   diag (2, 2), expected (2, 3); full 6.0, expected [2. 2. 2.]; full_like plus x: 1.0, expected 7.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 autograd==1.9.1
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import autograd.numpy as np
import numpy
from autograd import grad

matrix = numpy.arange(6.0).reshape(2, 3)
print(
    grad(lambda x: np.sum(np.diag(x)))(matrix).shape,
    grad(lambda x: np.sum(np.full((2, 3), x)))(numpy.ones(3)),
    grad(lambda x: np.sum(np.full_like(matrix, x)) + x)(2.0),
)
PYTHON
)
echo "$seen"
[ "$seen" = "(2, 2) 6.0 1.0" ]
