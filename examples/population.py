"""A recurrence fitted by L-BFGS, with the Hessian of its likelihood and the standard errors that follow.

    .venv/bin/python -m pip install -e ".[special,examples]"
    .venv/bin/python examples/population.py  # writes runs/population/population.png

Ricker (1954) counts a population from year to year, x' = x exp(r (1 - x / K)): r is how fast it grows, K how
many the land supports. The counts are observed with an error of some per cent. The parameters are a tree of
tensors; scipy.optimize sees one vector, by `ts.flatten`. The inverse of the Hessian at the optimum estimates
their covariance, C, and the Jacobian J of the curve gives its error, J C J'. One hundred more series show
whether that is so: of the intervals at 95 %, about 95 % must contain the truth.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from scipy.optimize import minimize

import tinygrad_seq as ts

YEARS = 40
TRUTH = {"r": 2.2, "K": 100.0, "start": 20.0, "error": 0.15}


def curve(p):
    """The logarithm of the population in every year, from the logarithms of the parameters."""

    def year(x, _):
        return x + ts.exp(p["r"]) * (1 - ts.exp(x - p["K"])), x

    return ts.scan(year, p["start"], length=YEARS)[1]


def observed(rng):
    """The logarithms of counts, drawn by the true parameters."""
    logs = {name: ts.tensor(np.log(value)) for name, value in TRUTH.items()}
    return curve(logs).numpy() + TRUTH["error"] * rng.standard_normal(YEARS)


def fitted(counts):
    """The parameters of greatest likelihood, as logarithms, their covariance, and how `minimize` ended."""
    guesses = [
        {"r": r, "K": np.mean(counts), "start": counts[0], "error": -1.0} for r in np.log([1.2, 1.8, 2.4])
    ]
    starts, (unflatten, *_) = zip(*map(ts.flatten, guesses), strict=True)

    def loss(vector):
        p = unflatten(vector)
        return (0.5 * ((counts - curve(p)) / ts.exp(p["error"])) ** 2 + p["error"]).sum()

    def both(vector):
        value, gradient = ts.value_and_grad(loss)(vector)
        return value.item(), gradient.numpy()

    bounds = [(np.log(value / 4), np.log(value * 4)) for value in TRUTH.values()]  # beyond, it overflows
    found = min(  # of three starts, since there are local optima, without oscillations
        (minimize(both, x.numpy(), jac=True, method="L-BFGS-B", bounds=bounds) for x in starts),
        key=lambda found: found.fun,
    )
    covariance = np.linalg.inv(ts.hessian(loss, found.x).numpy())
    return found.x, covariance, found, unflatten


def picture(out, counts, best, covariance, unflatten):
    """The counts, and the fitted curve with its error."""
    from matplotlib.figure import Figure

    jacobian = ts.jacobian(lambda vector: curve(unflatten(vector)), best).numpy()
    line = curve(unflatten(best)).numpy()
    width = 1.96 * np.sqrt(np.einsum("ti,ij,tj->t", jacobian, covariance, jacobian))
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot(xlabel="year", ylabel="population", ylim=(0, 250))
    axes.fill_between(range(YEARS), np.exp(line - width), np.exp(line + width), alpha=0.3, label="95 %")
    axes.plot(np.exp(line), label="Ricker's recurrence, fitted")
    axes.plot(np.exp(counts), "k.", label="counts")
    axes.legend(ncols=3, loc="upper left")
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "population.png", dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--series", type=int, default=100, help="how many more series are fitted")
    parser.add_argument("--out", type=Path, default=Path("runs/population"))
    options = parser.parse_args()
    rng, logs = np.random.default_rng(options.seed), np.log(list(TRUTH.values()))

    counts = observed(rng)
    best, covariance, found, unflatten = fitted(counts)
    print(f"L-BFGS: {found.nfev} gradients; the largest element at the optimum is {abs(found.jac).max():.0e}")
    print("         estimate   x / standard error   truth")
    for name, x, error in zip(TRUTH, best, np.sqrt(np.diag(covariance)), strict=True):
        print(f"{name:6}{np.exp(x):11.3f}{np.exp(error):14.3f}{TRUTH[name]:16.3f}")

    fits = [fitted(observed(rng))[:2] for _ in range(options.series)]
    off = np.array([x - logs for x, _ in fits])
    errors = np.sqrt([np.diag(c) for _, c in fits])
    inside = (abs(off) < 1.96 * errors).mean(axis=0)
    print(f"{options.series} series: intervals at 95 % that contain the truth, and spread / standard error")
    for name, share, spread, error in zip(TRUTH, inside, off.std(axis=0), errors.mean(axis=0), strict=True):
        print(f"{name:6}{share:11.3f}{spread / error:14.2f}")
    picture(options.out, counts, best, covariance, unflatten)
    print(f"the picture is in {options.out}")


if __name__ == "__main__":
    main()
