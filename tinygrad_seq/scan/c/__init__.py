"""The C emitter: the groups of a loop as C, compiled, and run in the place of NumPy source.

    text, slots, steps                the source of a loop, its pointers, and its steps
    nest, reduction, names            a loop nest in a step, and the words in that
    expressions, elementary.h         one element of an op, and the functions in it, as tanh
    products, products.h, vectors.h   matrix products
    hoisting                          what stays outside of the loop
    compiler, process                 which C compiler works, and how it is run
    cache, disk                       the libraries of this process, and those on the disk
    loop, memory, threads             the run, after a comparison with the NumPy form

A loop that has no form in C, or no library, is NumPy: see `scan/emitters.py`.
"""
