"""Echo state networks: a random reservoir and a linear readout, fitted in one step; two classical tasks.

    .venv/bin/python examples/echo_state.py            # under a minute

NARMA10 is a system that remembers ten steps: predict its output from its input. Mackey-Glass is a chaotic
series: predict its next value from the true series, then 84 steps from the network's own predictions. The error
is the root mean square error divided by the standard deviation of the target, so that the trivial answer, the
mean, has an error of 1. The ridge penalty is chosen on the last fifth of the training steps; the first 200
steps are washed out.
"""

import argparse
import csv
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import mackey_glass, narma10
from tinygrad_seq.training import verdict

WASHOUT, TRAINING, TEST, AHEAD = 200, 2000, 2000, 84
PENALTIES = [1e-12, 1e-10, 1e-8, 1e-6, 1e-4]
RUNS = Path(__file__).resolve().parent.parent / "runs"


def nrmse(found, wanted, of=None):
    """The root mean square error divided by the standard deviation of `of`, by default of the target."""
    return float(np.sqrt(np.mean((found - wanted) ** 2)) / np.std(wanted if of is None else of))


def fitted(states, targets):
    """The readout fitted on the training steps; its penalty is chosen on the last fifth of them."""
    cut, end = WASHOUT + TRAINING * 4 // 5, WASHOUT + TRAINING
    return nn.ridge(
        states[:cut],
        targets[:cut],
        penalty=PENALTIES,
        washout=WASHOUT,
        validation=(states[cut - WASHOUT : end], targets[cut - WASHOUT : end]),
    )


def narma(units, seed):
    """The error on NARMA10, and the predicted and the true outputs."""
    rng = np.random.default_rng(seed)
    u, y = map(ts.tensor, narma10(WASHOUT + TRAINING + TEST, rng=rng))
    cell = nn.EchoStateCell(1, units, spectral_radius=0.9, input_scale=0.2, rng=rng, dtype=np.float64)
    states, _ = nn.Recurrent(cell)(u)
    found = fitted(states, y)(states[-TEST:]).numpy()
    wanted = y.numpy()[-TEST:]
    return {"narma10": nrmse(found, wanted)}, (found, wanted)


def glass(units, seed):
    """The errors on Mackey-Glass, one and 84 steps ahead, and a free run with the true series."""
    rng = np.random.default_rng(seed)
    x = mackey_glass(WASHOUT + TRAINING + TEST + 1, rng=rng)
    cell = nn.EchoStateCell(
        0, units, feedback=1, spectral_radius=0.9, input_scale=0.2, leak=0.3, rng=rng, dtype=np.float64
    )
    before, after = ts.tensor(x[:-1]), ts.tensor(x[1:])
    states, _ = nn.Recurrent(cell)(before)
    readout = fitted(states, after)
    one = nrmse(readout(states[-TEST:]).numpy(), x[-TEST:])
    starts = np.arange(len(x) - TEST, len(x) - 4 * AHEAD, AHEAD)  # the predictions start after these
    begin = states[starts - 1][:, 0], after[starts - 1][:, 0]
    nothing = ts.zeros((4 * AHEAD, len(starts), 0), dtype=np.float64)
    free, _ = nn.Recurrent(nn.FedBack(cell, readout, size=1))(nothing, begin)
    truth = np.stack([x[starts + 1 + k][:, 0] for k in range(4 * AHEAD)])
    far = nrmse(free.numpy()[AHEAD - 1], truth[AHEAD - 1], of=x)
    return {"mackey-glass 1": one, "mackey-glass 84": far}, (free.numpy()[:, 0], truth[:, 0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--units", type=int, nargs="+", default=[50, 100, 200, 400], help="sizes of reservoirs")
    parser.add_argument("--seed", type=int, default=0, help="of the reservoirs and of the series")
    parser.add_argument("--out", type=Path, default=RUNS / "echo_state", help="the folder of the results")
    args = parser.parse_args()
    if args.seed < 0 or min(args.units) < 1:
        parser.error("--seed must be at least 0, and every --units at least 1")
    args.out.mkdir(parents=True, exist_ok=True)
    print("units   NARMA10   Mackey-Glass, 1 step   and 84 steps ahead   (the mean: 1.000)")
    rows = []
    for units in args.units:
        errors, narmas = narma(units, args.seed)
        more, glasses = glass(units, args.seed)
        errors |= more
        rows.append({"units": units, **errors})
        one, far = more.values()
        note = verdict(max(errors.values()), 1, less=True)
        print(f"{units:5} {errors['narma10']:9.3f} {one:22.5f} {far:20.4f}{note}", flush=True)
    with open(args.out / "errors.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    figure = Figure(figsize=(9, 5), layout="constrained")
    for axes, pair, title in zip(
        figure.subplots(2),
        (narmas, glasses),
        ("NARMA10, from its input", "Mackey-Glass, running free from step 0"),
        strict=True,
    ):
        for values, style, label in zip(pair, ("C1-", "k:"), ("predicted", "true"), strict=True):
            axes.plot(values[: 4 * AHEAD].ravel(), style, label=label)
        axes.set(title=f"{title}, {args.units[-1]} units", xlim=(0, 4 * AHEAD))
        axes.legend(loc="upper right")
    figure.savefig(args.out / "echo_state.png", dpi=150)
    print(f"the results are in {args.out}")


if __name__ == "__main__":
    main()
