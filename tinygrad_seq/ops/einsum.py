"""Einsum: products, summed over the letters that do not appear in the result.

The primitive contracts two arrays. Every letter of one appears in the other or in the result, so that the
cotangent of one array is again a contraction, of g and the other array. Everything else is a composition: an
ellipsis is replaced by letters, a letter that an array repeats takes a diagonal, a letter that appears only in
one array is summed first, and more than two arrays are contracted one after another.
"""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_seq.engine.precision import rounded_once
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import broadcast_to, reshape, transpose


@primitive(
    examples=[
        example("(a,b)", "(b,c)", subscripts="ij,jk->ik"),
        example("(a,b,c)", "(a,c,d)", subscripts="bij,bjk->bik"),
        example("(a)", "(b)", subscripts="i,j->ji"),
        example("(a,b)", "(b,a)", subscripts="ij,ji->"),
        example("()", "(a)", subscripts=",i->i"),
    ]
)
@rounded_once
def _contract(x, y, /, subscripts):
    """z_k = sum over the letters not in k of x_i y_j"""
    return np.einsum(subscripts, x, y, optimize=True)


def swapped(subscripts: str, first: str) -> str:
    """`"x,y->z"` as `"z,y->x"`, or `"x,z->y"`: the contraction that gives the cotangent of x, or of y."""
    (x, y), z = split(subscripts)
    return f"{z},{y}->{x}" if first == "x" else f"{x},{z}->{y}"


def split(subscripts: str) -> tuple[list[str], str]:
    """The letters of the inputs and of the result."""
    inputs, result = subscripts.split("->")
    return inputs.split(","), result


_contract.vjp(
    lambda g, y, subscripts: _contract(g, y, swapped(subscripts, "x")),
    lambda g, x, subscripts: _contract(x, g, swapped(subscripts, "y")),
)
_contract.bilinear()


def with_leading_letter(subscripts: str, stacked) -> str:
    """`subscripts` with a new letter, for the leading axis of the stacked arguments and of the result."""
    new = next(letter for letter in string.ascii_letters if letter not in subscripts)
    inputs, result = split(subscripts)
    inputs = [new + letters if on else letters for letters, on in zip(inputs, stacked, strict=True)]
    return f"{','.join(inputs)}->{new}{result}"


_contract.rides(subscripts=with_leading_letter)


@numpy_function
def einsum(subscripts: str, *operands, optimize=False):
    """NumPy's einsum of any number of arrays, with or without `->`, with repeated letters and ellipses.

    optimize  has no effect: the arrays are contracted from left to right, each product by the fastest way

    TypeError if the subscripts are not a string. ValueError for letters that do not fit the shapes of the
    arrays, and for a result that repeats a letter or has one that no array has.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> float(ts.einsum("ii", x)), ts.einsum("ij,j->i", x, ts.tensor([1.0, 1.0])).numpy()
    (5.0, array([3., 7.], dtype=float32))
    """
    if not isinstance(subscripts, str):
        raise TypeError(
            f"einsum expects its subscripts as a string, then the arrays, got a {type(subscripts).__name__} "
            f'first; write einsum("ij,jk->ik", x, y)'
        )
    arrays = [x if hasattr(x, "ndim") else np.asarray(x) for x in operands]
    inputs, result = spelled_out(subscripts, tuple([x.ndim for x in arrays]))
    sizes: dict[str, int] = {}
    for letters, x in zip(inputs, arrays, strict=True):
        if len(set(zip(letters, x.shape, strict=True))) > len(set(letters)):
            raise ValueError(
                f"einsum({subscripts!r}): the axes of a repeated letter in {letters!r} must have one length, "
                f"got shape {x.shape}"
            )
        for letter, size in zip(letters, x.shape, strict=True):
            if sizes.setdefault(letter, size) == 1:
                sizes[letter] = size
            elif size not in (1, sizes[letter]):
                raise ValueError(
                    f"einsum({subscripts!r}): axis {letter!r} has length {sizes[letter]} in one array and "
                    f"{size} in another"
                )

    terms = [diagonals(letters, x, sizes) for letters, x in zip(inputs, arrays, strict=True)]
    letters, z = terms[0]
    for i, (others, y) in enumerate(terms[1:], 1):
        wanted = set(result).union(*(later for later, _ in terms[i + 1 :]))
        letters, z = summed(letters, z, wanted | set(others))
        others, y = summed(others, y, wanted | set(letters))
        kept = "".join(dict.fromkeys(letter for letter in letters + others if letter in wanted))
        z = _contract(z, y, f"{letters},{others}->{kept}")
        letters = kept
    letters, z = summed(letters, z, set(result))
    if letters != result:
        z = transpose(z, tuple(letters.index(letter) for letter in result))
    dtype = np.result_type(*arrays)  # np.sum widens small integers, NumPy's einsum does not
    return z if z.dtype == dtype else z.astype(dtype)


@lru_cache(maxsize=256)
def spelled_out(subscripts: str, ranks: tuple[int, ...]) -> tuple[list[str], str]:
    """The letters of each array and of the result, with unused letters in the place of each ellipsis."""
    text = subscripts.replace(" ", "")
    given, arrow, result = text.partition("->")
    inputs = given.split(",")
    if len(inputs) != len(ranks):
        raise ValueError(f"einsum({subscripts!r}) needs {len(inputs)} arrays, got {len(ranks)}")
    free = [letter for letter in string.ascii_letters if letter not in text]
    dots = [rank - len(part.replace("...", "")) for part, rank in zip(inputs, ranks, strict=True)]
    for part, rank, n in zip(inputs, ranks, dots, strict=True):
        letters = part.replace("...", "", 1)
        if not all(letter in string.ascii_letters for letter in letters) or (n if "..." not in part else n < 0):
            raise ValueError(
                f"einsum({subscripts!r}): {part!r} must have a letter for each of the {rank} axes of its array"
            )
    longest = max((n for part, n in zip(inputs, dots, strict=True) if "..." in part), default=0)
    ellipsis = "".join(free[:longest])
    inputs = [
        part.replace("...", ellipsis[longest - n :] if n else "") for part, n in zip(inputs, dots, strict=True)
    ]
    if not arrow:
        every = "".join(inputs)
        result = ellipsis + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in ellipsis))
    result = result.replace("...", ellipsis)
    if len(set(result)) != len(result) or not set(result) <= set("".join(inputs)):
        raise ValueError(
            f"einsum({subscripts!r}): the result must name each axis once, and only axes of the arrays, got "
            f"{result!r}"
        )
    return inputs, result


def diagonals(letters: str, x, sizes: dict[str, int]) -> tuple[str, Any]:
    """`x` with every letter once (repeated letters take diagonals), and every axis of its full length."""
    x = (
        broadcast_to(x, tuple(sizes[letter] for letter in letters))
        if any(size != sizes[letter] for letter, size in zip(letters, x.shape, strict=True))
        else x
    )
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            i = letters.index(letter)
            j = letters.index(letter, i + 1)
            rest = [axis for axis in range(len(letters)) if axis not in (i, j)]
            n = np.arange(sizes[letter])
            x = getitem(transpose(x, (i, j, *rest)), (n, n))
            letters = letter + "".join(letters[axis] for axis in rest)
    return letters, x


def summed(letters: str, x, wanted: set[str]) -> tuple[str, Any]:
    """`x` summed over the letters that are not in `wanted`."""
    axes = tuple(axis for axis, letter in enumerate(letters) if letter not in wanted)
    return "".join(c for c in letters if c in wanted), (total(x, axes) if axes else x)


@numpy_function
def outer(x, y):
    """z_ij = x_i y_j, for the flattened x and y.

    >>> import tinygrad_seq as ts
    >>> ts.outer(ts.tensor([1.0, 2.0]), ts.tensor([3.0, 4.0])).numpy()
    array([[3., 4.],
           [6., 8.]], dtype=float32)
    """
    return reshape(x, (-1, 1)) * reshape(y, (1, -1))
