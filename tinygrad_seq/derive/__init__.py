"""Derivatives as functions, built on the reverse pass and on forward mode.

    reverse mode   grad, vjp, value_and_grad   one pass back along the tape gives J'g, the gradient of <z, g>
    forward mode   jvp                         one pass forward along the tape gives J v, a slope along v
    both           hvp                         forward over reverse

`grad` takes tensors; the others take a function of tensors. Each accepts trees of tensors (tuples, lists,
dicts) in the place of one. A derivative is itself on the tape if the tensors that it is computed from are, so
that all of these compose, to any order (`grad` with `create_graph=True`).

    gradient    `grad`: of tensors, with respect to tensors
    call        one call of a function, whose arguments get lines of their own
    functions   `vjp`, `jvp`, `hvp`, `value_and_grad`
    flat        `flatten`: trees of tensors as one vector, for optimizers and solvers of other libraries

Whole matrices of derivatives, `jacobian` and `hessian`, are computed by `vmap`, in the folder `batching`.
"""
