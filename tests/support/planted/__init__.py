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

    where  a function, a class or a method, such as "Adam.update"; "" is the whole file, which may be C
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
    for i in within(source, mutant.where):
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


def within(source: str, where: str) -> list[int]:
    """The indices of the lines of a definition, of all its overloads; of all lines, if `where` is empty."""
    if not where:
        return list(range(len(source.splitlines())))
    nodes: list = [ast.parse(source)]
    for name in where.split("."):
        nodes = [n for node in nodes for n in ast.walk(node) if getattr(n, "name", None) == name]
    return sorted({i for n in nodes for i in range(n.lineno - 1, n.end_lineno)})


def table() -> list[Mutant]:
    """All mutants."""
    from planted import (
        batching,
        c,
        c_loops,
        emitters,
        engine,
        exchange,
        groups,
        linalg,
        looking,
        nn,
        onnx,
        ops,
        optim,
        recording,
        scan,
        statistics,
        tables,
        training,
    )

    of_arrays = (engine, ops, linalg, statistics, batching)
    parts = (
        *of_arrays,
        recording,
        scan,
        groups,
        c,
        c_loops,
        emitters,
        nn,
        looking,
        exchange,
        tables,
        onnx,
        optim,
        training,
    )
    return [mutant for part in parts for mutant in part.MUTANTS]


def source_of(mutant: Mutant) -> str:
    """The source that the mutant changes."""
    return (ROOT / "tinygrad_seq" / mutant.file).read_text(encoding="utf-8")
