"""Tools to study a tape: print it, draw it, fold its loops, walk through it, and find the first NaN.

They read records and watch calls and reverse passes; they change no number. A module here may import from this
folder, `tensor`, `ops`, `tree` and `engine`.
"""
