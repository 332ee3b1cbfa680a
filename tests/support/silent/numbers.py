"""Numbers: overflow, underflow, infinities, precision, and dtypes in which a formula fails."""

import tinygrad_seq as ts
from silent import T, right


@right([1.0, 2.0], by="d/dx sum x_i^2 / 2 = x")
def the_form_of_a_row():
    w = T([1.0, 2.0])
    return ts.grad((w * w).sum() / 2, w)
