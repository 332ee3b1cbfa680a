"""The ops: every function of arrays that can be differentiated, one file per family.

A *primitive* states its forward function and its derivative rules (VJP and JVP) together; any other op is a
composition of primitives. A new primitive needs a reason, numerical stability or speed. An op is plain NumPy
and does not mention Tensors or a device: it runs on arrays, on Tensors and in a recorded loop alike. Files here
import only from this folder and from `engine`.
"""
