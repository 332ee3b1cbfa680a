"""The ops: functions of arrays with their derivatives, one file per family.

A *primitive* states its forward function and its derivative rules (VJP and JVP) together; any other op is a
composition of primitives. A new primitive needs a reason: numerical stability or speed. Forward functions and
rules are plain NumPy, so that they run on arrays of any device, on Tensors, and in a recorded loop. Files here
import only from this folder and from `engine`. By what they compute:

    element by element
        elementwise                     arithmetic and powers
        exponential, trigonometric, hyperbolic, angles
        rounding, comparison, bits      steps, tests and logic; most have no derivative
        choice                          where, maximum, clip: one of several elements
        real                            what NumPy has for complex numbers, of real ones
        special/                        gamma, Bessel and error functions, by SciPy's names
    along axes
        reduction, truth, element_products
        softmax                         softmax and logsumexp
        cumulative, differences         running sums, differences and what they approximate
        statistics, quantiles, missing  means and spreads; order statistics; the same without NaN
        ordering, counting, searching   sorting and positions; histograms; where values are
    products
        matmul, products, einsum        of matrices; of vectors; of any indices
        linalg/                         equations, factors, determinants, norms
        fft, interpolation
    elements moved
        shape, rearranging, diagonals
        joining, editing, selecting     several arrays; slices added or left out; elements by conditions
        indexing, device_indices        gather, scatter and slices; indices on a device
        device                          to another device
    made
        creation, spacing               constants like an array; numbers at equal distances
    for rules
        series                          closed forms that cancel near a point
"""
