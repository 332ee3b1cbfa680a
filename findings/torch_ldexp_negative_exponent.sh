#!/usr/bin/env bash
# torch 2.13.0 (CPU): the gradient of torch.ldexp(x, n) is 0 for a negative integer n, without a message.
#
# ldexp(x, n) = x 2^n, so its derivative is 2^n. The value is right, but the gradient is multiplied by 2^n as an
# integer, which is 0 for n < 0: what is scaled down by ldexp receives no gradient. A float n is right.
#
# Seen:   n = 2: value 4.0, gradient 4.0; n = -1: 0.5, 0.0; n = -2: 0.25, 0.0; n = -2.0: 0.25, 0.25
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import torch

for n in (2, -1, -2, -2.0):
    x = torch.ones((), requires_grad=True)
    z = torch.ldexp(x, torch.tensor(n))
    z.backward()
    print(z.item(), x.grad.item(), end="; ")
PYTHON
)
echo "$seen"
[ "$seen" = "4.0 4.0; 0.5 0.0; 0.25 0.0; 0.25 0.25; " ]
