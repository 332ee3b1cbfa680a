"""Runners: they run a cell over the time steps of a sequence, whose rows may have unequal lengths.

Self-attention is here too, since it is called like a runner, and so are the patterns that put layers before and
after a runner. A module here may import from this folder, from `nn/cells` and from modules directly in `nn`.
"""
