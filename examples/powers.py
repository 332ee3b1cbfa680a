"""Why a linear recurrence vanishes or explodes: the eigenvalues of W to the power t.

    .venv/bin/python examples/powers.py

Without input and nonlinearity h_t = h_{t-1} W. For a symmetric W = Q L Q' this is h_t = h_0 Q L^t Q': the
component along an eigenvector is multiplied by its eigenvalue at every step. In the lecture's example L is
diag((1 - sqrt 5)/2, (1 + sqrt 5)/2). The matrix [[0, 1], [1, 1]] has these eigenvalues, and its powers contain
the Fibonacci numbers. The second matrix is random, with a spectral radius above 1: a few directions explode,
most vanish.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tinygrad_seq import nn

LECTURE, START, STEPS = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 0.0]), 10
UNITS, RADIUS = 50, 1.2


def main(out, seed):
    powers = nn.eigenvalue_powers(LECTURE, STEPS)
    print("eigenvalues {:.4f}, {:.4f}; to the power {} {:.4f}, {:.4f}".format(*powers[1], STEPS, *powers[-1]))
    found = nn.linear_recurrence(LECTURE, START, STEPS)
    expected = np.array([START @ np.linalg.matrix_power(LECTURE, t) for t in range(STEPS + 1)])
    error = np.abs(found - expected).max()
    print(f"h_{STEPS} = h_0 W^{STEPS} = {expected[-1]}; h_0 Q L^t Q' is off by at most {error:.0e}")
    w = nn.init.sparse(UNITS, nonzeros=UNITS, spectral_radius=RADIUS, rng=seed, dtype=np.float64)
    spectrum = nn.eigenvalue_powers(w, STEPS)
    print(f"of {UNITS} eigenvalues of a random W {np.sum(np.abs(spectrum[1]) > 1)} have |lambda| > 1")
    out.mkdir(parents=True, exist_ok=True)
    draw({"W = [[0, 1], [1, 1]]": powers, f"a random W of {UNITS} units": spectrum}).savefig(
        out / "powers.png", dpi=150
    )
    print(f"the results are in {out}")


def draw(spectra):
    """For each matrix the powers that explode and that vanish, with the values of the extremes."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, 2), spectra.items(), strict=True):
        explodes = np.abs(values[1]) > 1
        for name, which, color in (("explode", explodes, "#d55e00"), ("vanish", ~explodes, "#0072b2")):
            nn.pictures.powers(axes, values[:, which], color=color, marker=".")
            axes.plot([], [], color=color, marker=".", label=f"{which.sum()} {name}")
        for end in (np.abs(values[-1]).max(), np.abs(values[-1]).min()):
            text = f"{end:.4f}" if end > 1e-3 else f"{end:.0e}"
            axes.annotate(text, (STEPS, end), (6, -3), textcoords="offset points")
        axes.axhline(1, color="black", linewidth=0.6, zorder=0)
        axes.set(
            title=title, xlim=(0, 1.2 * STEPS), xticks=range(0, STEPS + 1, 2), ylabel="|eigenvalue of W^t|"
        )
        axes.yaxis.set_major_formatter("{x:.0e}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower left", frameon=False)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    home = Path(__file__).resolve()
    parser.add_argument("--seed", type=int, default=0, help="of the random matrix")
    parser.add_argument("--out", type=Path, default=home.parent.parent / "runs" / home.stem, help="the folder")
    args = parser.parse_args()
    main(args.out, args.seed)
