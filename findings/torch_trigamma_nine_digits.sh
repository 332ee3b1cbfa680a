#!/usr/bin/env bash
# torch 2.13.0 (CPU): torch.polygamma(1, x) in float64 has 9 to 10 right digits for x near 1, not 16.
#
# It is the derivative of digamma, and so the second derivative of lgamma: Hessians, Newton steps and Fisher
# information of Gamma, Beta and Dirichlet likelihoods have this error. A finite-difference check with a
# tolerance of 1e-6 accepts it. lgamma, digamma, and polygamma(2, x) are precise.
#
# Seen:   polygamma(1, 1) = pi^2 / 6 with a relative error of 4.8e-10, also as the second derivative of lgamma;
#         scipy 1.17.1: below 1e-15
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 torch==2.13.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import math

import torch
from scipy.special import polygamma

exact = math.pi**2 / 6
x = torch.ones((), dtype=torch.float64, requires_grad=True)
(slope,) = torch.autograd.grad(torch.lgamma(x), x, create_graph=True)
(second,) = torch.autograd.grad(slope, x)
for z in (torch.polygamma(1, x).item(), second.item()):
    print(f"{z / exact - 1:.1e}", end=" ")
print(abs(float(polygamma(1, 1.0)) / exact - 1) < 1e-15)
PYTHON
)
echo "$seen"
[ "$seen" = "4.8e-10 4.8e-10 True" ]
