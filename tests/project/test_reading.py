"""docs/reading.md: every place that it leads to exists, is as long as it says, and reverse mode is short."""

import ast
import re

import pytest
from places import ROOT

PAGE = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<path>[\w/.]+)`(?:: (?P<symbols>.+?))? \| (?P<lines>\d+) \| (?P<question>.+\?) \|$", re.MULTILINE
)
MOST = 500  # lines of reverse mode
DRIFT = 5  # lines by which a stop may have grown or shrunk since it was counted


def stops(text):
    """The rows of the page's tables: path, symbols and the number of lines."""
    for row in ROW.finditer(text):
        yield row["path"], re.findall(r"`([\w.]+)`", row["symbols"] or ""), int(row["lines"])


def length(path, symbols):
    """Lines of a file, or of some functions, classes and methods in it; those of a primitive with its rules."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if not symbols:
        return len(text.splitlines())
    return sum(_span(ast.parse(text), *symbol.split("."), where=path) for symbol in symbols)


def _span(tree, name, *rest, where):
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            if rest:
                return _span(node, *rest, where=f"{where}: {name}")
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            rules = [n for n in tree.body if isinstance(n, ast.Expr) and ast.unparse(n).startswith(f"{name}.")]
            return node.end_lineno - start + 1 + sum(n.end_lineno - n.lineno + 1 for n in rules)
    raise AssertionError(f"{where} has no {name}")


STOPS = list(stops(PAGE))


@pytest.mark.parametrize(("path", "symbols", "lines"), STOPS, ids=lambda x: x if isinstance(x, str) else "")
def test_a_stop_exists_and_is_as_long_as_it_says(path, symbols, lines):
    assert (ROOT / path).is_file(), f"there is no {path}"
    assert abs(length(path, symbols) - lines) <= DRIFT, f"{path}: {symbols} has {length(path, symbols)} lines"


def test_every_row_is_read():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(rows) == len(STOPS) > 12


def test_reverse_mode_is_read_in_an_hour():
    first, *_ = PAGE.split("## What is built on it")
    part = list(stops(first))
    assert len(part) >= 6
    total = sum(length(path, symbols) for path, symbols, _ in part)
    assert total < MOST, f"the stops of reverse mode have {total} lines"
    (stated,) = re.findall(r"(\d+) lines in all", first)
    assert abs(int(stated) - total) <= DRIFT, f"the stops of reverse mode have {total} lines in all"


def test_the_files_that_the_text_names_exist():
    """In running text a path is written from the root, too."""
    for path in re.findall(r"`([\w/]+\.(?:py|md|ipynb))`", PAGE):
        assert (ROOT / path).is_file(), f"there is no {path}"
    for path in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / path).is_file(), f"there is no {path}"
