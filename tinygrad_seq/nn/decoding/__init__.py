"""Decoders: models that write a sequence of symbols, given a vector or an encoded sequence.

Beam search, the encoder-decoder and CTC belong here. A module here may import from this folder, from
`nn/runners`, `nn/cells` and the modules directly in `nn`; not from `classical`, `gradients`, `exchange` or
`pictures`.
"""
