"""The NumPy emitter: a loop as NumPy source that writes into preallocated memory, and its run.

gates          activations of gates in one call
plan           the memory of every value
lines, emit    an operation as lines; the lines as a function
loop           arrays are bound, and the function runs
blas           one thread for small matrix products
"""
