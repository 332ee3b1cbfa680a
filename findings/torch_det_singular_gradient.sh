#!/usr/bin/env bash
# torch 2.13.0 (CPU): backward() of torch.linalg.det at a singular matrix gives zeros, without a message.
#
# The gradient of det a is the matrix of cofactors, which exists for every matrix: [[4, -2], [-2, 1]] for
# [[1, 2], [2, 4]]. PyTorch gives zeros there if its LU decomposition meets a pivot of exactly 0, and the cofactors
# with create_graph=True, so a gradient depends on whether a second one may follow. Of a stack, the singular matrices
# alone are wrong. At the zero matrix the second derivative, [[0, 0], [0, 1]] of the first cofactor, is NaN. And
# torch.linalg.pinv(a, rtol=r) has the gradient of matrices whose rank is that of the result, although the singular
# values that r cuts off are not 0.
#
# Seen:   det: [[0.0, -0.0], [-0.0, 0.0]]; with create_graph [[4.0, -2.0], [-2.0, 1.0]]; the second NaN;
#         pinv, d sum / da_00: -0.3576, where differences give -0.3765.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import torch

torch.set_default_dtype(torch.float64)


def gradient(f, a, **keywords):
    x = torch.tensor(a, requires_grad=True)
    return x, torch.autograd.grad(f(x), x, **keywords)[0]


def shown(g):
    return [[round(z, 4) + 0.0 for z in row] for row in g.detach().tolist()]


singular = [[1.0, 2.0], [2.0, 4.0]]
print(shown(gradient(torch.linalg.det, singular)[1]))
print(shown(gradient(torch.linalg.det, singular, create_graph=True)[1]))
x, g = gradient(torch.linalg.det, [[0.0, 0.0], [0.0, 0.0]], create_graph=True)
print(shown(torch.autograd.grad(g[0, 0], x)[0]))

a = [[2.0, 0.3], [0.1, 0.5]]  # singular values 2.03 and 0.48
f = lambda x: torch.linalg.pinv(x, rtol=0.5).sum()
step = torch.tensor([[1e-6, 0.0], [0.0, 0.0]])
print(shown(gradient(f, a)[1])[0][0], round(float(f(torch.tensor(a) + step) - f(torch.tensor(a) - step)) / 2e-6, 4))
PYTHON
)
echo "$seen"
[ "$seen" = "[[0.0, 0.0], [0.0, 0.0]]
[[4.0, -2.0], [-2.0, 1.0]]
[[nan, nan], [nan, nan]]
-0.3576 -0.3765" ]
