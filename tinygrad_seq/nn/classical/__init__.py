"""Classical models of sequences, with which recurrent networks are compared, and what they share.

They are windows on the last n steps, the linear dynamical system, the hidden Markov model and ridge regression.
A module here may import from this folder, from `nn/runners`, `nn/cells` and the modules directly in `nn`; not
from `decoding`, `gradients`, `exchange` or `pictures`.
"""
