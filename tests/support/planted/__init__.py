"""The form of the table of mutants of the package, which `tests/mutants.py` runs: a mistake, and the tests that
should notice it.

A mutant is one line of the package with a mistake that a person could make: off by one, a wrong axis or sign, a
dropped mask, a missing copy, a state that is not restored. The table has a file for each part of the package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from places import ROOT


class Mutant(NamedTuple):
    """In the definition `where` of `file`, a file of the package, `wrong` stands in the place of `right`.

    where  a function, a class or a method, such as "Adam.update"; "" is the whole file
    right  a piece of one line, found there once; or several lines, without their indentation
    tests  the test files that should notice, under tests/, the likeliest first
    """

    file: str
    where: str
    right: str
    wrong: str
    tests: str

    def __str__(self) -> str:
        change = [" / ".join(text.splitlines()) or "nothing" for text in (self.right, self.wrong)]
        return f"{self.file} {self.where}: {change[0]}  ->  {change[1]}"


def mutants(file: str, tests: str, *rows: tuple[str, ...]) -> Iterator[Mutant]:
    """The mutants of a file: each row is (where, right, wrong), and the tests if others should notice."""
    for where, right, wrong, *others in rows:
        yield Mutant(file, where, right, wrong, *(others or [tests]))


def planted(mutant: Mutant, source: str) -> str:
    """The source of the file with the mistake; LookupError unless the text is found exactly once."""
    lines, right = source.splitlines(), mutant.right.splitlines()
    found = []
    for i in within(ast.parse(source), mutant.where):
        if len(right) == 1:
            found += [i] * lines[i].count(right[0])
        elif [line.strip() for line in lines[i : i + len(right)]] == right:
            found.append(i)
    if len(found) != 1:
        raise LookupError(f"a mutant needs one place, got {len(found)} in {mutant}")
    i = found[0]
    indent = lines[i][: len(lines[i]) - len(lines[i].lstrip())]
    made = lines[i].replace(right[0], mutant.wrong) if len(right) == 1 else indent + mutant.wrong
    lines[i : i + len(right)] = made.replace("\n", f"\n{indent}").splitlines()
    return "\n".join(lines) + "\n"


def within(tree: ast.Module, where: str) -> list[int]:
    """The indices of the lines of a definition; of all definitions of that name, if it is overloaded."""
    nodes: list = [tree]
    for name in filter(None, where.split(".")):
        nodes = [n for node in nodes for n in ast.walk(node) if getattr(n, "name", None) == name]
    spans = [(n.lineno, n.end_lineno) for n in nodes if n is not tree]
    spans += [(1, n.end_lineno) for n in tree.body[-1:] if not where]
    return sorted({i for first, last in spans for i in range(first - 1, last)})


def table() -> list[Mutant]:
    """All mutants."""
    from planted import c, emitters, engine, groups, nn, optim, scan, training

    parts = (engine, scan, groups, c, emitters, nn, optim, training)
    return [mutant for part in parts for mutant in part.MUTANTS]


def source_of(mutant: Mutant) -> str:
    """The source that the mutant changes."""
    return (ROOT / "tinygrad_seq" / mutant.file).read_text(encoding="utf-8")
