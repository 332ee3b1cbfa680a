"""The derivative of broadcasting: a sum over the axes along which an argument was repeated.

Plain NumPy, so that it runs on arrays and, in a recorded reverse pass, on Tensors.
"""

from __future__ import annotations

from tinygrad_seq.engine.precision import total


def unbroadcast(g, shape: tuple[int, ...], core: int, made: tuple[int, ...]):
    """Sum `g` over the loop axes along which an array of `shape` was broadcast to those of the result, `made`.

    The last `core` axes belong to the op and are never broadcast. Raises ValueError if `g` cannot be the
    cotangent of such an array.
    """
    sizes = g.shape
    lead, loop = len(sizes) - len(shape), len(sizes) - core
    loops = made[len(made) - loop :] if 0 < loop <= len(made) else ()
    stretched = tuple(
        [a for a, n in enumerate(loops) if sizes[a] == n and (a < lead or (shape[a - lead] == 1 and n != 1))]
    )
    left = tuple([1 if a in stretched else n for a, n in enumerate(sizes)])
    if left[max(lead, 0) :] != shape or len(stretched) < lead:
        raise ValueError(f"a cotangent of shape {sizes} is not a broadcast of its argument's shape {shape}")
    return total(g, stretched).reshape(shape)
