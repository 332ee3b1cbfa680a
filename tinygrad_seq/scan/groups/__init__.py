"""A loop as groups of assignments: what an emitter needs that writes loop nests.

`maps` says how a view reaches memory, `assignments` turns the operations of a loop into assignments by such
maps, and `grouping` puts assignments over one space into one group. Nothing here knows C.
"""
