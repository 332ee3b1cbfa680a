"""The class Tensor: its operators and methods, its place among NumPy's functions, and how it is made.

This folder holds what a user meets as `t.something` or `ts.tensor(...)`, and the errors that translate names of
other libraries. A module here may import from this folder, `ops` and `engine`.
"""
