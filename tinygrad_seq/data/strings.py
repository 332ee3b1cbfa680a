"""Strings: surnames of ten languages, and fiddle tunes in ABC notation."""

from __future__ import annotations

import importlib
import re
from collections import Counter

import numpy as np

from tinygrad_seq.data.shipped import shipped

Names = tuple[list[str], np.ndarray]
LANGUAGES = {
    "hr_HR": "Croatian",
    "nl_NL": "Dutch",
    "en_GB": "English",
    "fi_FI": "Finnish",
    "fr_FR": "French",
    "de_DE": "German",
    "it_IT": "Italian",
    "sk_SK": "Slovak",
    "es_ES": "Spanish",
    "sv_SE": "Swedish",
}


def surnames() -> tuple[Names, Names]:
    """From which language is a surname? (names, labels) for training, and a fifth of each language for testing.

    Labels are indices of LANGUAGES. Each language has 339 to 1,758 names, all in Latin letters. A name that
    occurs in two languages, in capitals or not, is left out; so every name has one label and is in one part
    only. The parts are always the same.

    Source: the surnames of ten locales of Faker. Some of its lists state their sources: national offices
    (Finnish, Swedish), Wikipedia or Wiktionary (Italian, Slovak), a dictionary of names (German). Licence: MIT,
    as all of Faker; none is stated for the lists themselves.

    >>> (names, labels), (unseen, answers) = surnames()
    >>> len(names), len(unseen), [(names[i], list(LANGUAGES.values())[labels[i]]) for i in (0, 1000, 2000)]
    (6234, 1562, [('Petričević', 'Croatian'), ('Feenstra', 'Dutch'), ('Karhu', 'Finnish')])
    """
    shipped("faker", "providers/person")
    lists = [
        importlib.import_module(f"faker.providers.person.{locale}").Provider.last_names for locale in LANGUAGES
    ]
    languages = [{name.casefold(): name for name in names} for names in lists]
    count = Counter(key for names in languages for key in names)
    rng = np.random.default_rng(0)
    parts: tuple[list[tuple[str, int]], ...] = ([], [])
    for label, names in enumerate(languages):
        own = sorted(name for key, name in names.items() if count[key] == 1)
        for i, place in enumerate(rng.permutation(len(own))):
            parts[5 * i < len(own)].append((own[place], label))
    train, test = (([name for name, _ in part], np.array([label for _, label in part])) for part in parts)
    return train, test


def tunes() -> list[str]:
    """Fiddle tunes in ABC notation: the rhythm (R), metre (M), unit (L) and key (K), then the melody.

    Titles, the transcriber, other remarks, bowings and fingerings are left out, so that all tunes use the same
    few characters. The order is always the same, and not alphabetical.

    Source: Ryan's Mammoth Collection (Boston 1883), 1,059 reels, jigs, hornpipes and others, as contained in
    music21. The book is in the public domain. It was transcribed by Ray Davies and others, whose files name no
    licence; music21, itself under BSD-3, states that it distributes them with their permission.

    >>> melodies = tunes()
    >>> len(melodies)
    1059
    >>> print(melodies[0])
    R:hornpipe
    M:C|
    L:1/8
    K:G
    d2
    | g2b>g d2g>d | B2d>B G2B>G | E2c>A F2d>c | c2B2 B2d2 |
    | g2b>g d2g>d | B2d>B G2B>G | Aedc BAGF | G2B2G2 :|
    |: Bc
    | d^cde dBGB | cBcd cAFA | GABc defg | ecBA GFED |
    | d^cde dBGB | cBcd cAFA | Ggec BdFA | G2B2G2 :|
    """
    folder = shipped("music21", "corpus/ryansMammoth")
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.abc"))]
    return [tune(texts[i]) for i in np.random.default_rng(0).permutation(len(texts))]


def tune(text: str) -> str:
    """A tune in ABC notation, reduced to the fields R, M, L, K and the melody.

    >>> print(tune('X:1\\nT:A Reel\\nM:C\\nK:G\\n"4"vGA | % up\\\\\\nB2 |]\\n'))
    M:C
    K:G
    GA |
    B2 |]
    """
    lines = [line.partition("%")[0] for line in text.splitlines()]
    fields = {line[0]: line[2:].strip() for line in reversed(lines) if re.match("[RMLK]:", line)}
    head = [f"{name}:{fields[name]}" for name in "RMLK" if name in fields]
    melody = [
        re.sub(r'"[^"]*"|![^!]*!|[uv]|\\', "", line).strip()
        for line in lines
        if not re.match("[A-Za-z]:", line)
    ]
    return "\n".join([*head, *filter(None, melody)])
