#!/usr/bin/env bash
# torch 2.13.0 (CPU): Adam and RMSprop in float32 take no step at all for a gradient of 1e38, without a message.
#
# The first step of Adam has the length lr for a gradient of any size: m / sqrt(v) = +-1. PyTorch multiplies the
# gradient by (1 - beta2) before it squares, so that 1e20, whose square is not a float32, still steps by lr; at 1e38 the
# mean square overflows to infinity after all and the step is g / inf = 0. The weight stays where it is, v stays
# infinite, and so no later gradient moves this weight either. In float16 (a model after .half(), on the CPU) eps = 1e-8
# is 0: a gradient of 0 makes the weight NaN.
#
# Seen:   float32, lr .1: Adam 1e20 -> 0.9, 1e38 -> 1.0, and then 1.0 after ten gradients of 1; RMSprop 1e38 -> 1.0;
#         float16: Adam, gradient 0 -> nan.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import torch


def after(kind, gradients, dtype=torch.float32):
    p = torch.nn.Parameter(torch.ones(1, dtype=dtype))
    optimizer = kind([p], lr=0.1)
    for g in gradients:
        p.grad = torch.full_like(p, g)
        optimizer.step()
    return f"{p.item():.1f}"


Adam, RMSprop = torch.optim.Adam, torch.optim.RMSprop
print(after(Adam, [1e20]), after(Adam, [1e38]), after(Adam, [1e38] + [1.0] * 10), after(RMSprop, [1e38]),
      after(Adam, [0.0], torch.float16))
PYTHON
)
echo "$seen"
[ "$seen" = "0.9 1.0 1.0 1.0 nan" ]
