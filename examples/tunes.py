"""Music synthesis: a character-level LSTM reads fiddle tunes and writes one of its own, in ABC notation.

    .venv/bin/python examples/tunes.py  # --resume continues an interrupted run

It needs the extra `data`. The model and its training are those of `char_lm.py`. The text is a thousand tunes of
Ryan's Mammoth Collection (1883); the last twentieth of it is kept for the test. The figure is bits per
character, compared with two trivial models that are counted in the training text: the frequency of each
character (unigram), and its frequency after the character before it (bigram). Any program that plays ABC can
play tune.abc.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from char_lm import CharTask, bits

from tinygrad_seq.data import tunes
from tinygrad_seq.training import command, curves

TEMPERATURE = 0.7


def unigram(training, test, characters):
    """The bits per character of `test`, by the frequencies in `training`; each count is increased by one."""
    count = 1 + np.bincount(training, minlength=characters)
    return -np.log2(count / count.sum())[test].mean()


def bigram(training, test, characters):
    """The same, by the frequencies after each preceding character."""
    count = np.ones((characters, characters))
    np.add.at(count, (training[:-1], training[1:]), 1)
    return -np.log2(count / count.sum(1, keepdims=True))[test[:-1], test[1:]].mean()


class Tunes(CharTask):
    """The task of `char_lm.py`, on tunes with an empty line after each."""

    def __init__(self, out, seed, device):
        super().__init__("".join(tune + "\n\n" for tune in tunes()), out, seed, device, TEMPERATURE)

    def finish(self):
        super().finish()
        training, size = self.training.T.ravel(), len(self.alphabet)
        trivial = {model.__name__: model(training, self.test, size) for model in (unigram, bigram)}
        ours = bits(self.model, self.test)
        print(f"test: {ours:.3f} bits per character; " + ", ".join(f"{k} {v:.3f}" for k, v in trivial.items()))
        if ours >= trivial["bigram"]:
            print("this does not beat the trivial models")
        names = {"training_bits": "training", "validation_bits": "validation"}
        curves(self.out, names, ylabel="bits per character", levels=trivial)
        pieces = (self.out / "sample.txt").read_text(encoding="utf-8").split("\n\n")
        written = max((piece for piece in pieces[1:-1] if "K:" in piece), key=len, default=pieces[0])
        (self.out / "tune.abc").write_text(f"X:1\nT:Untitled\n{written.strip()}\n", encoding="utf-8")
        print(f"a tune: {self.out / 'tune.abc'}")


if __name__ == "__main__":
    command(Tunes, __doc__, __file__, steps=1000)
