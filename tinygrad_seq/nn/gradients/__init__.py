"""How gradients flow through time: gradients of every state, Jacobians of every step, and a penalty.

Numbers are computed here; `nn/pictures` draws them. A module here may import from this folder, from
`nn/runners`, `nn/cells` and modules directly in `nn`; not from `decoding`, `classical`, `exchange` or
`pictures`.
"""
