"""Exchange of weights with other libraries, one module for each library.

The other library must not be needed: weights are exchanged as NumPy arrays. A module here may import from this
folder, from `nn/runners`, `nn/cells` and modules directly in `nn`; not from `decoding`, `classical`,
`gradients` or `pictures`.
"""
