"""docs/exchange.md: its table of libraries is that of the package."""

import re

from places import ROOT

from tinygrad_seq.nn.exchange.weights import LIBRARIES

PAGE = (ROOT / "docs" / "exchange.md").read_text(encoding="utf-8")


def table(header):
    """The rows of a table by their first column, and its columns."""
    first, _, *rows = re.search(rf"^{re.escape(header)}.*\n(?:\|.*\n)*", PAGE, re.MULTILINE)[0].splitlines()
    cut = [[text.strip() for text in row.strip("|").split("|")] for row in (first, *rows)]
    return {name: dict(zip(cut[0][1:], texts, strict=True)) for name, *texts in cut[1:]}


def test_every_class_is_in_the_table():
    expected = {
        f"`{library}`": {f"`{kind.__name__}`": to.name for kind, to in one.cells.items()}
        for library, one in LIBRARIES.items()
    }
    found = table("| library | `RNNCell`")
    assert {library: {k: name for k, name in row.items() if name} for library, row in found.items()} == expected


def test_every_library_has_a_way_there_and_back():
    ways = [name.strip("`").removesuffix("...") for name in table("| library | give")]
    assert all(any(library.startswith(way) for way in ways) for library in LIBRARIES)
    assert all(any(library.startswith(way) for library in LIBRARIES) for way in ways)
