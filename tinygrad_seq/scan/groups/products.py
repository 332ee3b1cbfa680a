"""Products of matrices, as assignments.

A product with a matrix of which every element is used in many rows is a `Product`, for which an emitter has its
own kernels; so is a stack of products whose rows are long or many. Any other product is a sum of products over
a space with one more axis: one pass over memory.
"""

from __future__ import annotations

import math

from tinygrad_seq.scan.groups.assignments import FLOATS, Access, Assignments, Product, UnsupportedError
from tinygrad_seq.scan.groups.maps import Map, Shape, broadcast, contiguous, reshaped, space_of, squeezed
from tinygrad_seq.scan.groups.reductions import converted
from tinygrad_seq.scan.program import Operation

WIDE = 16  # numbers of float32 that fill the widest vector


def matmul(found: Assignments, call: Operation) -> None:
    (x, y), (z,) = call.inputs, call.outputs
    dtype = found.values[z].dtype
    x, y = (converted(found, v, dtype) for v in (x, y))
    *rows, n, k = found.shape(x)
    *stack, _, m = found.shape(y)
    if k == 1:
        found.assign("multiply", (x, y), z)
        return
    if 0 in (k, *found.shape(z)):
        found.assign("convert", (found.number(0, z),), z)
        return
    (base, left), (other, right) = found.place(x), found.place(y)
    in_memory = dtype in FLOATS and found.numbers.keys().isdisjoint((base, other))
    if in_memory and math.prod(stack) == 1:
        count = math.prod(rows) * n
        flat = reshaped(left, (*rows, n, k), (count, k))
        if flat is None:
            base = found.made("convert", (x,), found.shape(x), dtype)
            flat = contiguous((count, k))
        fixed = other in found.program.constants
        right = Map(right.offset, right.strides[-2:])
        if fixed or min(count, m) >= 4:
            write = Access(z, contiguous((count, m)))
            found.items.append(Product(count, k, m, Access(base, flat), Access(other, right), write, fixed))
            return
    elif in_memory and worth_a_kernel(n, m, right.strides[-1]):
        lead = found.shape(z)[:-2]
        a, b, write = (of_stack(found, v, lead) for v in (x, y, z))
        found.items.append(Product(n, k, m, a, b, write, False, stack=space_of(lead)))
        return
    summed(found, x, y, z, k)


def worth_a_kernel(rows: int, columns: int, step: int) -> bool:
    """Whether a product at every step is faster by a kernel than as a sum.

    It is if the columns of the right factor are neighbours that fill a vector. Otherwise that factor is packed
    first, which pays if it is used for a few rows.
    """
    return (step == 1 and columns >= WIDE) or min(rows, columns) >= 4


def of_stack(found: Assignments, v: int, lead: Shape) -> Access:
    """The matrices of v, one for each element of a stack of shape `lead`, to which v is broadcast."""
    base, (offset, (*stack, row, column)) = found.place(v)
    outer = squeezed(broadcast(Map(offset, tuple(stack)), found.shape(v)[:-2], lead), lead)
    return Access(base, Map(offset, (*outer.strides, row, column)))


def summed(found: Assignments, x: int, y: int, z: int, k: int) -> None:
    """z = sum_k x_k y_k, over the space of z and k, in which the op is one pass over memory."""
    *lead, n, m = found.shape(z)
    dtype = found.values[z].dtype
    shape = (*lead, n, k, m)
    left = found.new((*found.shape(x), 1), dtype)
    found.view(left, x, Map(*with_axis(found.place(x)[1], len(found.shape(x)))))
    right = found.new((*found.shape(y)[:-2], 1, *found.shape(y)[-2:]), dtype)
    found.view(right, y, Map(*with_axis(found.place(y)[1], len(found.shape(y)) - 2)))
    added(found, found.made("multiply", (left, right), shape, dtype), (len(lead) + 1,), z)


def added(found: Assignments, products: int, axes: tuple[int, ...], z: int) -> None:
    """z = the sum of products along axes; for truth values, whether any of them is true."""
    if found.values[z].dtype == bool:
        found.reduce("max", products, axes, z)
    else:
        found.sum(products, axes, z)


def with_axis(m: Map, axis: int) -> Map:
    """The map with one more axis of length 1 before `axis`."""
    return Map(m.offset, (*m.strides[:axis], 0, *m.strides[axis:]))


def contract(found: Assignments, call: Operation) -> None:
    """einsum: the product over the space of all letters, summed over those that the result lacks."""
    terms, result = call.metadata()["subscripts"].replace(" ", "").split("->")
    names = terms.split(",")
    if "." in terms or any(len(set(name)) < len(name) for name in names):
        raise UnsupportedError("a contraction with repeated letters")
    dtype = found.values[call.outputs[0]].dtype
    letters = [*result, *sorted(set("".join(names)) - set(result))]
    sizes: dict[str, int] = {}
    for name, v in zip(names, call.inputs, strict=True):
        sizes |= {c: n for c, n in zip(name, found.shape(v), strict=True) if n != 1 or c not in sizes}
    inputs = []
    for name, v in zip(names, call.inputs, strict=True):
        v = converted(found, v, dtype)
        base, m = found.place(v)
        places = dict(zip(name, zip(found.shape(v), m.strides, strict=True), strict=True))
        shape = tuple(places[c][0] if c in places else 1 for c in letters)
        part = found.new(shape, dtype)
        found.views[part] = base, Map(m.offset, tuple(places[c][1] if c in places else 0 for c in letters))
        if base in found.numbers:
            found.numbers[part] = found.numbers[base]
        inputs.append(part)
    shape = tuple(sizes[c] for c in letters)
    whole = found.made("multiply", inputs, shape, dtype)
    added(found, whole, tuple(range(len(result), len(letters))), call.outputs[0])
