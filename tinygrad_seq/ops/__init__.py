"""The ops: functions of arrays with their derivatives, one file per family.

A *primitive* states its forward function and its derivative rules (VJP and JVP) together; any other op is a
composition of primitives. A new primitive needs a reason: numerical stability or speed. Forward functions and
rules are plain NumPy, so that they run on arrays of any device, on Tensors, and in a recorded loop. Files here
import only from this folder and from `engine`.
"""
