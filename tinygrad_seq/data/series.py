"""Series of numbers: digits as rows of pixels, recordings of vowels by nine speakers, prices of stocks."""

from __future__ import annotations

import csv
from typing import Literal

import numpy as np

from tinygrad_seq.data.shipped import shipped
from tinygrad_seq.nn.runners.padding import padded

Images = tuple[np.ndarray, np.ndarray]
Utterances = tuple[np.ndarray, np.ndarray, np.ndarray]


def digits(test: Literal["stratified", "last"] = "stratified") -> tuple[Images, Images]:
    """1,797 handwritten digits of 8 x 8 pixels, read row by row: (xs, labels) for training and for testing.

    xs are (8, B, 8), one row of pixels per step, float32 within 0 ... 1; labels are 0 ... 9, (B,). The test set
    is one of

        "stratified"  a fifth of each digit, 359 in all, always the same
        "last"        the last 360, from other writers: the images are in the order of their 13 writers

    Raises ValueError for another `test`.

    Source: Alpaydin & Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, its test set, as contained in scikit-learn. Licence of the data, as stated by UCI: CC BY 4.0.

    >>> (xs, labels), (unseen, answers) = digits()
    >>> xs.shape, unseen.shape, answers[:8]
    ((8, 1438, 8), (8, 359, 8), array([5, 9, 2, 4, 6, 7, 9, 3]))
    """
    table = np.loadtxt(shipped("sklearn", "datasets/data/digits.csv.gz"), delimiter=",", dtype=np.float32)
    xs, labels = np.swapaxes(table[:, :64].reshape(-1, 8, 8), 0, 1) / 16, table[:, 64].astype(np.int64)
    chosen = np.zeros(len(labels), bool)
    if test == "stratified":
        rng = np.random.default_rng(0)
        for digit in range(10):
            (places,) = np.nonzero(labels == digit)
            chosen[rng.permutation(places)[: round(len(places) / 5)]] = True
    elif test == "last":
        chosen[-360:] = True
    else:
        raise ValueError(f'digits needs test="stratified" or test="last", got {test!r}')
    return (xs[:, ~chosen], labels[~chosen]), (xs[:, chosen], labels[chosen])


def japanese_vowels() -> tuple[Utterances, Utterances]:
    """Which of nine men says /ae/? (xs, lengths, labels) of 270 utterances for training and 370 for testing.

    xs are (T, B, 12), float32: 12 LPC cepstrum coefficients for every 6.4 ms, 7 to 29 steps; 0 past the lengths
    (B,). labels are the speakers, 0 ... 8, (B,): 30 utterances of each for training, and 24 to 88 for testing,
    which were recorded at other times.

    Source: Kudo, Toyama & Shimbo (1999), Japanese Vowels, UCI Machine Learning Repository, as contained in
    sktime. Licence of the data, as stated by UCI: CC BY 4.0.

    >>> (xs, lengths, labels), (unseen, _, answers) = japanese_vowels()
    >>> xs.shape, unseen.shape, lengths.min(), np.bincount(answers)
    ((26, 270, 12), (29, 370, 12), np.int64(7), array([31, 35, 88, 44, 29, 24, 40, 50, 29]))
    """
    folder = "datasets/data/JapaneseVowels/JapaneseVowels_{}.ts"
    train, test = (utterances(shipped("sktime", folder.format(part)).read_text()) for part in ("TRAIN", "TEST"))
    return train, test


def utterances(text: str) -> Utterances:
    """The contents of a .ts file: after @data, every line holds the channels of a series, and then its class.

    >>> utterances("@data\\n1,2,3:4,5,6:1\\n7:8:2")[0].T
    array([[[1., 2., 3.],
            [7., 0., 0.]],
    <BLANKLINE>
           [[4., 5., 6.],
            [8., 0., 0.]]], dtype=float32)
    """
    lines = [line.split(":") for line in text.partition("@data")[2].split()]
    rows = [np.array([channel.split(",") for channel in line[:-1]], np.float32).T for line in lines]
    return *padded(rows), np.array([int(line[-1]) - 1 for line in lines])


def stocks() -> tuple[np.ndarray, list[str], np.ndarray]:
    """Prices of five stocks at the start of each month, 2000 to March 2010: months (T,), names, prices (T, 5).

    Prices are in dollars, adjusted for splits, float64; NaN for Google before August 2004, when it was not yet
    traded.

    Source: stocks.csv of the Vega project's example data, as contained in vega_datasets. Licence: the package
    is under the MIT licence and names no licence for the data. Prices are facts; their source is not stated.

    >>> months, names, prices = stocks()
    >>> names, months[[0, -1]]
    (['AAPL', 'AMZN', 'GOOG', 'IBM', 'MSFT'], array(['2000-01', '2010-03'], dtype='datetime64[M]'))
    >>> prices[-1]
    array([223.02, 128.82, 560.19, 125.55,  28.8 ])
    """
    with open(shipped("vega_datasets", "_data/stocks.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["symbol"] for row in rows})
    dates = [month(row["date"]) for row in rows]
    months = np.unique(np.array(dates))
    prices = np.full((len(months), len(names)), np.nan)
    for row, date in zip(rows, dates, strict=True):
        prices[np.searchsorted(months, date), names.index(row["symbol"])] = float(row["price"])
    return months, names, prices


def month(date: str) -> np.datetime64:
    """The month of a date such as Aug 1 2004, independent of the computer's locale.

    >>> month("Aug 1 2004")
    np.datetime64('2004-08')
    """
    name, _, year = date.split()
    months = "JanFebMarAprMayJunJulAugSepOctNovDec".index(name) // 3
    return np.datetime64(year, "M") + np.timedelta64(months, "M")
