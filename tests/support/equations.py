"""One step of every cell of `nn.CELLS`, transcribed to NumPy from the lecture and the papers, gate by gate.

An equation is `state, y = f(w, state, x, **options)`, where `w` maps the names of a cell's tensors to arrays;
`options` are those of the cell that do not follow from its tensors.
"""
# ruff: noqa: N806 (cells and weights have the names that they have in the sources)

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gate(w, k, x, h, count):
    """x Wx + h Wh + b of the k-th gate, whose columns are a block of the matrices."""
    H = w["Wh"].shape[0]
    block = slice(k * H, (k + 1) * H)
    return x @ w["Wx"][:, block] + h @ w["Wh"][:, block] + w["b"][block]


def rnn(w, h, x, f=np.tanh):
    """h' = f(W [h, x] + b)"""
    h = f(gate(w, 0, x, h, 1))
    return h, h


def rectified(w, h, x):
    return rnn(w, h, x, lambda a: np.maximum(a, 0))


def leaky(w, h, x):
    """h' = (1 - 1/gamma) h + 1/gamma cell(h, x), unit by unit"""
    inner = {name.removeprefix("cell."): p for name, p in w.items() if name.startswith("cell.")}
    after, _ = rnn(inner, h, x)
    rate = np.clip(w["rate"], 0, 1)
    h = h + rate * (after - h)
    return h, h


def skip(w, window, x, distances=(1, 4)):
    """h_t = tanh(U x_t + b + sum_d W_d h_{t-d})"""
    H = w["b"].shape[0]
    a = x @ w["Wx"] + w["b"]
    for k, d in enumerate(distances):
        a = a + window[d - 1] @ w["Wh"][k * H : (k + 1) * H]
    h = np.tanh(a)
    return (h, *window[:-1]), h


def clockwork(w, state, x):
    """A module moves when its t is 0; it receives itself and the modules of longer periods."""
    before, t = state
    periods = w["periods"]
    width = before.shape[1] // len(periods)
    h = np.array(before)
    for m in range(len(periods)):
        own, slower = slice(m * width, (m + 1) * width), slice(m * width, None)
        a = x @ w["Wx"][:, own] + w["b"][own] + before[:, slower] @ w["Wh"][slower, own]
        h[:, own] = np.where(t[:, m : m + 1] == 0, np.tanh(a), before[:, own])
    return (h, (t + 1) % periods), h


def lstm(w, state, x, peep=None):
    """i, f, g, o of [h, x]; c' = f c + i g; h' = o tanh c'"""
    h, c = state
    peep = peep or (lambda k, c: 0)
    i, f = (sigmoid(gate(w, k, x, h, 4) + peep(k, c)) for k in (0, 1))
    c = f * c + i * np.tanh(gate(w, 2, x, h, 4))
    h = sigmoid(gate(w, 3, x, h, 4) + peep(3, c)) * np.tanh(c)
    return (h, c), h


def peephole(w, state, x):
    """i and f also of the old c, o of the new, unit by unit"""
    return lstm(w, state, x, lambda k, c: w[{0: "p_i", 1: "p_f", 3: "p_o"}[k]] * c)


def full_peephole(w, state, x):
    """W [c, h, x], as on the lecture's slide"""
    blocks = dict(zip((0, 1, 3), np.split(w["Wc"], 3, axis=1), strict=True))
    return lstm(w, state, x, lambda k, c: c @ blocks[k])


def coupled(w, state, x):
    """c' = f c + (1 - f) g"""
    h, c = state
    f = sigmoid(gate(w, 0, x, h, 3))
    c = f * c + (1 - f) * np.tanh(gate(w, 1, x, h, 3))
    h = sigmoid(gate(w, 2, x, h, 3)) * np.tanh(c)
    return (h, c), h


def normalised(a, gain, bias, eps=1e-5):
    d = a - a.mean(axis=1, keepdims=True)
    return gain * d / np.sqrt((d * d).mean(axis=1, keepdims=True) + eps) + bias


def layer_normalised(w, state, x):
    """Ba, Kiros & Hinton 2016, equations 20 to 22"""
    h, c = state
    norm = {k: (w[f"norm_{k}.weight"], w[f"norm_{k}.bias"]) for k in "xhc"}
    a = normalised(x @ w["Wx"], *norm["x"]) + normalised(h @ w["Wh"], *norm["h"])
    i, f, g, o = np.split(a, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(normalised(c, *norm["c"]))
    return (h, c), h


def depth_gated(w, state, x):
    """c^{l+1}_t = d c^l_t + f c^{l+1}_{t-1} + i g, with d of x, c^{l+1}_{t-1} and c^l_t (Yao et al. 2015)"""
    after, below = [], None
    for k, (h, c) in enumerate(state):
        own = {name: w[f"layers.{k}.{name}"] for name in ("Wx", "Wh", "b")}
        i, f, o = (sigmoid(gate(own, n, x, h, 4)) for n in (0, 1, 3))
        new = f * c + i * np.tanh(gate(own, 2, x, h, 4))
        if k:
            Wd, bd, w_c, w_l = (w[f"gates.{k - 1}.{name}"] for name in ("Wd", "bd", "w_c", "w_l"))
            new = new + sigmoid(x @ Wd + bd + w_c * c + w_l * below) * below
        below, x = new, o * np.tanh(new)
        after.append((x, new))
    return tuple(after), x


def gru(w, h, x):
    """r, z of [h, x]; n of [r h, x]; h' = (1 - z) h + z n"""
    r, z = (sigmoid(gate(w, k, x, h, 3)) for k in (0, 1))
    h = (1 - z) * h + z * np.tanh(gate(w, 2, x, r * h, 3))
    return h, h


def reset_after(w, h, x):
    """The GRU of PyTorch: n = tanh(W x + b + r (U h + b')); h' = (1 - z) n + z h"""
    r, z, n_x = np.split(x @ w["Wx"] + w["b"], 3, axis=1)
    r_h, z_h, n_h = np.split(h @ w["Wh"] + w["bh"], 3, axis=1)
    z = sigmoid(z + z_h)
    h = (1 - z) * np.tanh(n_x + sigmoid(r + r_h) * n_h) + z * h
    return h, h


def minimal_gated(w, h, x):
    """f of [h, x]; n of [f h, x]; h' = (1 - f) h + f n (Zhou et al. 2016)"""
    f = sigmoid(gate(w, 0, x, h, 2))
    h = (1 - f) * h + f * np.tanh(gate(w, 1, x, f * h, 2))
    return h, h


def echo_state(w, h, x, leak=1.0):
    """h' = (1 - a) h + a tanh(W [h, x] + b)"""
    h = (1 - leak) * h + leak * np.tanh(x @ w["Wx"] + h @ w["Wh"] + w["b"])
    return h, h


def liquid_state(w, state, x, decay=0.9, filter=0.9, threshold=1.0):
    """Leaky integrate-and-fire units, restarted by a spike, and filtered spikes"""
    v, s, r = state
    v = decay * v * (1 - s) + x @ w["Wx"] + w["b"] + s @ w["Wh"]
    s = np.where(v >= threshold, np.ones_like(v), 0)
    r = filter * r + (1 - filter) * s
    return (v, s, r), r


EQUATIONS = {
    "RNN": rnn,
    "rectified RNN": rectified,
    "leaky RNN": leaky,
    "skip RNN": skip,
    "clockwork RNN": clockwork,
    "LSTM": lstm,
    "peephole LSTM": peephole,
    "full peephole LSTM": full_peephole,
    "coupled LSTM": coupled,
    "layer-normalised LSTM": layer_normalised,
    "depth-gated LSTM": depth_gated,
    "GRU": gru,
    "reset-after GRU": reset_after,
    "minimal gated unit": minimal_gated,
    "echo state network": echo_state,
    "liquid state machine": liquid_state,
}


def over_time(step, state, xs, lengths=None, reverse=False):
    """The outputs of all steps, and the last state; past its length a row keeps its state, and y is 0."""
    ys = [None] * len(xs)
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        inside = np.ones(xs.shape[1], bool) if lengths is None else t < np.asarray(lengths)
        x = np.where(inside.reshape(-1, *[1] * (xs.ndim - 2)), xs[t], 0)
        after, y = step(state, x)
        state = chosen(inside, after, state)
        ys[t] = chosen(inside, y, None)
    return stacked(ys), state


def chosen(inside, new, old):
    """The rows of `new` that are inside, else those of `old`, or 0."""
    if isinstance(new, tuple):
        return tuple(
            chosen(inside, n, None if old is None else o) for n, o in zip(new, old or new, strict=True)
        )
    mask = inside.reshape(-1, *[1] * (new.ndim - 1))
    return np.where(mask, new, np.zeros((), new.dtype) if old is None else old)


def stacked(ys):
    if isinstance(ys[0], tuple):
        return tuple(map(stacked, zip(*ys, strict=True)))
    return np.stack(ys)
