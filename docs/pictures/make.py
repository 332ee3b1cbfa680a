"""Draw the picture of the README: the backward pass that `ts.explain` prints, next to the lecture's equations.

    .venv/bin/python docs/pictures/make.py          # writes docs/pictures/explain.png

The text on the left is what `ts.explain` prints when this script runs. A colour marks the lines that compute a
term of an equation on the right; a line that belongs to no equation is an error.
"""

import io
import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import tinygrad_seq as ts

STEP = """\
def step(h, x):
    h = np.tanh(x @ Wx + b + h @ Wh)
    o = h @ V + c
    return h, o"""

EQUATIONS = [  # of docs/lecture.md: the colour, the equation, and the printed lines that compute it
    ("#0060a8", r"$\partial L/\partial h_t = \partial L/\partial o_t\;V'$", r"dy = do @ V'"),
    ("#0060a8", r"$\qquad\quad +\;\partial L/\partial h_{t+1}\;D_{t+1}\;W_h'$", r".*# dh = dy|dot\(da, Wh_T"),
    ("#b45f06", r"$\partial L/\partial V\; = \sum_t\; h_t'\;\partial L/\partial o_t$", r"dV = "),
    ("#6b4e2e", r"$\partial L/\partial c\;\; = \sum_t\; \partial L/\partial o_t$", r"dc = "),
    ("#7a3fa0", r"$D_t = \mathrm{diag}(1 - h_t^2)$", r"multiply\(h, h|subtract\(one|multiply\(dh"),
    ("#007a4d", r"$\partial L/\partial W_h = \sum_t\; h_{t-1}'\;\partial L/\partial h_t\;D_t$", r"dWh = "),
    ("#b3261e", r"$\partial L/\partial W_x = \sum_t\; x_t'\;\partial L/\partial h_t\;D_t$", r"dWx = "),
    ("#00707a", r"$\partial L/\partial b\;\; = \sum_t\; \partial L/\partial h_t\;D_t$", r"db = "),
]
GRAY = "#57606a"
PLAIN = r"$|backward|loop|before|after|def |\(.*= |for "  # lines of the program that compute nothing


def explained() -> list[str]:
    """The backward pass of `STEP`, as `ts.explain` prints it."""
    rng = np.random.default_rng(0)
    shapes = {"Wx": (3, 5), "Wh": (5, 5), "b": (5,), "V": (5, 4), "c": (4,)}
    names: dict = {
        name: ts.tensor(rng.normal(size=shape), requires_grad=True) for name, shape in shapes.items()
    }
    names["np"] = np
    exec(STEP, names)
    with ts.emitter("numpy"):
        text = str(ts.explain(names["step"], ts.tensor(np.zeros((2, 5))), np.ones((7, 2, 3))))
    return text[text.index("backward,") :].splitlines()


def color_of(line: str) -> str:
    """The colour of the equation that a printed line belongs to."""
    text = line.strip()
    for color, _, pattern in EQUATIONS:
        if re.match(pattern, text):
            return color
    if not re.match(PLAIN, text):
        raise ValueError(f"{text!r} belongs to no equation; give it one in EQUATIONS")
    return GRAY


def draw() -> Figure:
    figure = Figure(figsize=(8, 4.7), facecolor="white", edgecolor="#d0d7de", linewidth=1)
    mono = {"family": "DejaVu Sans Mono", "fontsize": 8.2, "va": "top"}
    title = {"fontsize": 10, "fontweight": "bold", "va": "top"}
    inch, left, right = 1 / 4.7, 0.025, 0.6

    figure.text(left, 1 - 0.12 * inch, "The step that you write", **title)
    for k, line in enumerate(STEP.splitlines()):
        figure.text(left, 1 - (0.4 + 0.165 * k) * inch, line, **mono)
    figure.text(left, 1 - 1.25 * inch, "The backward pass that ts.explain prints", **title)
    for k, line in enumerate(explained()):
        figure.text(left, 1 - (1.53 + 0.165 * k) * inch, line, color=color_of(line), **mono)

    figure.text(right, 1 - 1.25 * inch, "Backpropagation through time", **title)
    for k, (color, equation, _) in enumerate(EQUATIONS):
        y = 1 - (1.53 + 0.345 * k) * inch
        figure.text(right, y, equation, color=color, fontsize=11.5, va="top", math_fontfamily="stix")
    figure.text(right, 1 - 0.12 * inch, "RNN, in the notation of the lecture", **title)
    for k, equation in enumerate(
        [r"$h_t = \tanh(x_t W_x + b + h_{t-1} W_h)$", r"$o_t = h_t V + c,\quad L = \sum_t L_t(o_t)$"]
    ):
        y = 1 - (0.4 + 0.33 * k) * inch
        figure.text(right, y, equation, fontsize=11.5, va="top", math_fontfamily="stix")
    return figure


if __name__ == "__main__":
    picture, drawn = Path(__file__).with_name("explain.png"), io.BytesIO()
    draw().savefig(drawn, dpi=200)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(64).save(picture, optimize=True)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")
