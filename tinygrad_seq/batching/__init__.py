"""A function of one example, applied to a whole batch; and the matrices of derivatives that follow from it.

A scan without a carry applies its step to every row independently. So `vmap` records a function as scan records
a step, once, with the first example, and runs the recorded operations in the same two ways: an op that rides is
called once for all examples, any other op in a loop over them.

    vmap      a function of one example as a function of a batch
    rows      how such a function is run
    matrices  `jacobian` and `hessian`: the pullback of all directions at once
"""
