"""A step is recorded: called once, with placeholders. A recording is kept while nothing that it reads changes.

step, trace, traced         a step is called, and its tape taken
twice                       steps that compute with other values at every call
places                      where in the user's code a call stands, and the user's names there
kept, fingerprint, guard    a recording is kept: what it depends on, and whether that is still so
code                        whose a piece of code is, and what it names
pure                        a user's mark that nothing else is read
"""
