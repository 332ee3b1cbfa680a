"""The character model leaves Python: it is trained, exported to ONNX, and sampled by ONNX Runtime alone.

    .venv/bin/python -m pip install onnx onnxruntime
    .venv/bin/python examples/char_lm_onnx.py  # --resume continues an interrupted run

The model and its training are those of `char_lm.py`. The file holds the network, with free numbers of steps and
rows, and its state as inputs and outputs. ONNX Runtime reads one character at a time and returns the logits of
the next one and the state after it. For the text that is drawn so, the model here computes the same
probabilities, from all characters at once; the largest difference is printed.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import argparse
from pathlib import Path

import numpy as np
from char_lm import HIDDEN, RUNS, CharTask, read

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.training import CheckpointError, options, train

STATE = ("float32[batch, 128]",) * 2  # h and c
INPUTS = {"ids": "int64[time, batch]", "state": STATE}
LENGTH = 600


def sample(path: Path, first: int, length: int, rng: np.random.Generator) -> tuple[list[int], np.ndarray]:
    """Characters drawn one after the other by ONNX Runtime, and the probabilities of each but the first."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ids, probabilities = [first], []
    h = c = np.zeros((1, HIDDEN), np.float32)
    while len(ids) < length:
        logits, h, c = session.run(None, {"ids": np.array([ids[-1:]]), "state.0": h, "state.1": c})
        p = np.exp(logits[0, 0] - logits.max())
        probabilities.append(p / p.sum())
        ids.append(int(rng.choice(len(p), p=probabilities[-1] / probabilities[-1].sum(dtype=float))))
    return ids, np.array(probabilities)


class LeavingTask(CharTask):
    """The task of `char_lm.py`; at the end the model is exported and sampled."""

    def finish(self) -> None:
        path = self.out / "model.onnx"
        nn.to_onnx(self.model, INPUTS, path)
        ids, theirs = sample(path, 0, LENGTH, np.random.default_rng([self.seed, 1]))
        text = "".join(self.alphabet[i] for i in ids)
        (self.out / "sample.txt").write_text(text, encoding="utf-8")
        with ts.no_grad():
            ours = ts.softmax(self.model(np.array(ids[:-1])[:, None])[0][:, 0]).numpy()
        print(f"{path}, {path.stat().st_size / 1000:.0f} kB; ONNX Runtime wrote:\n{text[:300]}\n[...]")
        print(f"the largest difference of a probability: {np.abs(ours - theirs).max():.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options(parser, out=RUNS / "char_lm_onnx", steps=500)
    args = parser.parse_args()
    task = LeavingTask(read(None), args.out, args.seed, args.device, temperature=1.0)
    try:
        train(task, args.out, args.steps, resume=args.resume, overwrite=args.overwrite)
    except (OSError, CheckpointError, ModuleNotFoundError) as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
