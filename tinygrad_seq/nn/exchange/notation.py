"""The notation of the tables: which blocks of a cell's parameters an array of another library contains.

A *row* is a line such as "Wx' z r n". It describes an array of the library by parameters of our cell, whose
last axis consists of blocks, one for each gate, as in the docstring of the cell:

    Wx                      all of Wx, as it is
    Wx z r n                its blocks z, r and n, one after another along the last axis
    Wx'                     the transpose: the library stores (out, in)
    Wx -z r n               the block z is negated, since sigmoid(-a) = 1 - sigmoid(a)
    b i g f-1 o             the library's block is ours minus 1, since the library adds 1 itself
    Wx' gifo                letters without spaces: the blocks are interleaved, unit by unit
    b r z, bh n             arrays one after another along the last axis
    Wx; Wh                  arrays on top of each other; vectors become the rows of a matrix
    b+bh r z                the library has one number for a sum: it is read as b, and bh is 0
    +b                      the library adds this array to one that a row before describes as b: it is read by
                            adding it to b, and written as 0
    Wx r=z n                the library has one block for both: they can only be written if they are equal
    Wx' -f o 0 g            0 is a block that the library does not use: it is written as 0, and not read

A row works in both directions, since it only pairs views: `pairs` yields each block of the library's array with
the blocks of our parameters, and both reading and writing assign one to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

PART = re.compile(r"(?P<added>\+?)(?P<names>\w+(?:\+\w+)*)(?P<transposed>'?)(?P<blocks>(?: \S+)*)")
BLOCK = re.compile(r"(?P<minus>-?)(?P<gates>[a-z](?:=[a-z])*|0)(?P<shift>(?:[+-]\d+)?)")


class Block(NamedTuple):
    """A block of the library's array: sign * ours + shift, for each of the gates of ours that it stands for.

    The gate "" means the whole parameter; without a gate, the library does not use the block.
    """

    gates: tuple[str, ...] = ("",)
    sign: int = 1
    shift: int = 0


class Part(NamedTuple):
    """Blocks of one parameter, or of a sum of parameters."""

    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    added: bool
    transposed: bool
    interleaved: bool


class Pair(NamedTuple):
    """A block of the library's array and the blocks of ours whose sum it contains: views of both."""

    theirs: np.ndarray
    ours: list[np.ndarray]
    block: Block
    added: bool

    def value(self) -> np.ndarray | float:
        """The library's block, computed from ours."""
        if self.added or not self.ours:
            return 0.0
        value = self.block.sign * sum(self.ours[1:], start=self.ours[0])
        return value + self.block.shift if self.block.shift else value  # -0.0 + 0 is 0.0

    def read(self) -> None:
        """Our blocks, from the library's."""
        for i, ours in enumerate(self.ours):
            if self.added:
                ours += self.block.sign * self.theirs
            else:
                ours[...] = self.block.sign * (self.theirs - self.block.shift) if i == 0 else 0


class Own(NamedTuple):
    """The parameters of a cell by name, and the letters of its gates."""

    arrays: Mapping[str, np.ndarray]
    gates: str

    def block(self, name: str, gate: str) -> np.ndarray:
        """A view of a block of the parameter."""
        array = self.arrays[name]
        return np.split(array, len(self.gates), axis=-1)[self.gates.index(gate)] if gate else array


@cache
def parsed(row: str) -> tuple[tuple[Part, ...], ...]:
    """The lines of a row and their parts. Raises ValueError for anything that is not of the notation."""
    return tuple(tuple(_part(text.strip(), row) for text in line.split(",")) for line in row.split(";"))


def _part(text: str, row: str) -> Part:
    match = PART.fullmatch(text)
    if not match:
        raise ValueError(
            f"{text!r} in the row {row!r} is no part of a table; see tinygrad_seq.nn.exchange.notation"
        )
    words = match["blocks"].split()
    interleaved = len(words) == 1 and len(words[0]) > 1 and words[0].isalpha()
    found = [BLOCK.fullmatch(word) for word in (words[0] if interleaved else words)]
    blocks = [
        Block(tuple(re.findall("[a-z]", m["gates"])), -1 if m["minus"] else 1, int(m["shift"] or 0))
        for m in found
        if m
    ]
    if len(blocks) < len(found):
        raise ValueError(f"{text!r} in the row {row!r} needs gates such as i, -z or f-1, separated by spaces")
    names = tuple(match["names"].split("+"))
    return Part(
        names, tuple(blocks) or (Block(),), bool(match["added"]), bool(match["transposed"]), interleaved
    )


def shape_of(row: str, own: Own) -> tuple[int, ...]:
    """The shape of the library's array."""
    lines = [[_shape(part, own) for part in line] for line in parsed(row)]
    if len(lines) == 1:
        return _joined(lines[0])
    return sum(_height(line[0]) for line in lines), _joined(lines[0])[-1]


def pairs(row: str, theirs: np.ndarray, own: Own) -> Iterator[Pair]:
    """Every block of the library's array `theirs` with the blocks of ours that it contains."""
    lines, top = parsed(row), 0
    for line in lines:
        shapes = [_shape(part, own) for part in line]
        height = _height(shapes[0])
        rows = theirs if len(lines) == 1 else theirs[top] if len(shapes[0]) == 1 else theirs[top : top + height]
        top += height
        for part, view in zip(line, _split(rows, shapes), strict=True):
            yield from _pairs(part, view.T if part.transposed else view, own)


def _pairs(part: Part, view: np.ndarray, own: Own) -> Iterator[Pair]:
    count = len(part.blocks)
    shapes = [_block_shape(part, block, own) for block in part.blocks]
    views = [view[..., k::count] for k in range(count)] if part.interleaved else _split(view, shapes)
    for block, theirs in zip(part.blocks, views, strict=True):
        for gate in block.gates:
            yield Pair(theirs, [own.block(name, gate) for name in part.names], block, part.added)
        if not block.gates:
            yield Pair(theirs, [], block, part.added)


def _shape(part: Part, own: Own) -> tuple[int, ...]:
    shape = _joined([_block_shape(part, block, own) for block in part.blocks])
    return shape[::-1] if part.transposed else shape


def _block_shape(part: Part, block: Block, own: Own) -> tuple[int, ...]:
    return own.block(part.names[0], block.gates[0] if block.gates else own.gates[0]).shape


def _joined(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of arrays one after another along the last axis; one array has any number of axes."""
    return shapes[0] if len(shapes) == 1 else (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _split(array: np.ndarray, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Views of the arrays that are joined in it."""
    ends = np.cumsum([shape[-1] for shape in shapes[:-1]], dtype=int)
    return np.split(array, ends, axis=-1) if len(shapes) > 1 else [array]


def _height(shape: tuple[int, ...]) -> int:
    return shape[0] if len(shape) == 2 else 1
