#!/usr/bin/env bash
# torch 2.13.0 (CPU): the gradient of torch.nn.functional.ctc_loss is not the derivative of its value.
#
# The function takes log-probabilities. Its gradient is that by the logits of a log_softmax before it: the derivative
# by log_p plus exp(log_p). log_softmax removes the additional term in its own backward pass, so the gradient is right
# behind log_softmax only. For log-probabilities of another origin, such as the mean of two models, it is wrong without a
# message: here the third symbol, which is in no alignment, has a gradient of 0.1 and 0.2. gradcheck fails. If a target
# does not fit into the frames, the loss is inf and its gradient NaN, unless zero_infinity=True makes both 0.
#
# Seen:   of two frames, by log_p: differences -0.429 -0.571 0, -0.357 -0.643 0; autograd 0.171 -0.271 0.1, 0.143 -0.343
#         0.2; behind log_softmax both are 0.171 -0.271 0.1, 0.143 -0.343 0.2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import torch

torch.set_default_dtype(torch.float64)
lengths = torch.tensor([2]), torch.tensor([1])


def loss(log_p):
    return torch.nn.functional.ctc_loss(log_p, torch.tensor([[1]]), *lengths, reduction="sum")


def differences(f, x, step=1e-6):
    out = torch.zeros_like(x)
    for i in range(x.numel()):
        d = torch.zeros(x.numel())
        d[i] = step
        out.view(-1)[i] = (f(x + d.view_as(x)) - f(x - d.view_as(x))) / (2 * step)
    return out


def shown(g):
    return [round(z, 3) + 0.0 for z in g.flatten().tolist()]


p = torch.tensor([[[0.6, 0.3, 0.1]], [[0.5, 0.3, 0.2]]])
for f, x in ((loss, p.log()), (lambda o: loss(o.log_softmax(-1)), p.log())):
    x.requires_grad_()
    (g,) = torch.autograd.grad(f(x), x)
    print(shown(differences(f, x.detach())), shown(g))
short = torch.zeros(1, 1, 2).log_softmax(-1).requires_grad_()
bad = torch.nn.functional.ctc_loss(short, torch.tensor([[1, 1]]), torch.tensor([1]), torch.tensor([2]), reduction="sum")
print(bad.item(), shown(torch.autograd.grad(bad, short)[0]))
PYTHON
)
echo "$seen"
[ "$seen" = "[-0.429, -0.571, 0.0, -0.357, -0.643, 0.0] [0.171, -0.271, 0.1, 0.143, -0.343, 0.2]
[0.171, -0.271, 0.1, 0.143, -0.343, 0.2] [0.171, -0.271, 0.1, 0.143, -0.343, 0.2]
inf [nan, nan]" ]
