"""The engine of reverse mode: primitives and their rules, records, the tape, and the reverse pass.

This folder holds what is independent of any single operation, and of the class Tensor, of which it knows only
three slots (`Handle`). A module here may import NumPy and this folder; only `backend` may import CuPy.
"""
