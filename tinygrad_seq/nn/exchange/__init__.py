"""Exchange of weights with other libraries, one module for each library.

Each contains the table of its library, and `weights` lists them. `notation` is the language of a table and
`tables` its form; `slots` connects an array of the library with ours, and `transfer` copies in both directions.
`places` and `parts` find the cells of a network and the parts of a model, and `given` reads the trees of arrays
that libraries return.

The other library must not be needed: weights are exchanged as NumPy arrays. A module here may import from this
folder, from `nn/runners`, `nn/cells` and modules directly in `nn`; not from `decoding`, `classical`,
`gradients` or `pictures`.
"""
