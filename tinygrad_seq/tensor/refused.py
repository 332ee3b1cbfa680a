"""NumPy's functions that tensors do not answer: the reason, and what to write instead.

They are looked up by NumPy's name, with its module, when NumPy passes a call on to a tensor. Names that
are no function of NumPy, or that users try as `ts.name` and `t.name`, are in `habits.py`.
"""

REFUSED = {
    "linalg.eig": "its result is complex, which no tensor is; of a symmetric matrix ts.linalg.eigh",
}
