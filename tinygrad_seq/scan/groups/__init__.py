"""A loop as groups of assignments: what an emitter needs that writes loop nests. Nothing here knows C.

    maps                                       how a view reaches memory
    assignments                                what every op becomes, and the memory of values
    lowering, ways                             the loop over the operations, and the table of ops
    views, indexing, reductions, products, nested    how the ops of each kind become assignments
    batch                                      the batch in blocks, for threads
    grouping                                   assignments over one space in one group, values in registers
    inlining                                   values that are computed where they are read
    layout                                     the memory of what groups pass on to each other
    printed                                    groups in print

An op that is computed element by element needs no entry: it becomes one assignment. Any other op has a function
in the file of its kind and a row in the table of `ways.py`, or holds its function itself (`op.way`), if it is
an op of a higher layer.
"""
