#!/usr/bin/env bash
# tensorflow-cpu 2.21.0: the gradient of tf.raw_ops.BlockLSTMV2 is wrong, without a message; that of BlockLSTM is right.
#
# BlockLSTM has the gates i, ci, f, o in w and b, BlockLSTMV2 has i, f, ci, o. Both are registered with one function of
# gradients (tensorflow/python/ops/rnn_grad.py), which calls BlockLSTMGrad, the backward pass of the first order. For
# BlockLSTMV2 it reads w with f and ci exchanged, so that no gradient is right (dw, db, dx, dh alike), not even after its
# blocks are exchanged. Whoever trains with it, or tests another implementation against it, follows another loss.
#
# Seen:   the gradient by b compared with central differences: BlockLSTM 0.0001 of 0.74; BlockLSTMV2 0.43 of 0.46, and at
#         least 0.03 in any other order of its blocks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 tensorflow-cpu==2.21.0
seen=$(TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import itertools

import numpy as np
import tensorflow as tf

T, B, I, H = 3, 2, 3, 5
rng = np.random.default_rng(0)
x, w, b, g = (rng.normal(size=s, scale=0.5).astype("f4") for s in ((T, B, I), (I + H, 4 * H), 4 * H, (T, B, H)))
state, peephole = np.zeros((B, H), "f4"), np.zeros(H, "f4")

for op in tf.raw_ops.BlockLSTM, tf.raw_ops.BlockLSTMV2:
    def loss(b):
        made = op(seq_len_max=T, x=x, cs_prev=state, h_prev=state, w=w, wci=peephole, wcf=peephole, wco=peephole, b=b,
                  cell_clip=0.0, use_peephole=False)
        return tf.reduce_sum(made.h * g)

    b_ = tf.Variable(b)
    with tf.GradientTape() as tape:
        value = loss(b_)
    found = np.split(tape.gradient(value, b_).numpy(), 4)
    steps = 1e-2 * np.eye(4 * H, dtype="f4")
    differences = np.array([(loss(b + step) - loss(b - step)) / 2e-2 for step in steps])
    errors = [abs(np.concatenate(blocks) - differences).max() for blocks in itertools.permutations(found)]
    print("right" if errors[0] < 1e-3 else "wrong in every order" if min(errors) > 1e-2 else "in another order")
PYTHON
)
echo "$seen"
[ "$seen" = $'right\nwrong in every order' ]
