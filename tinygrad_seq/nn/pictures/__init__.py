"""Pictures of gradients, of attention, of looks at images, of a memory and of speech, on matplotlib axes.

Each function draws numbers that other functions computed, and imports matplotlib only then. A file here may
import every other folder of `nn` and lower layers.

>>> from matplotlib.figure import Figure
>>> from tinygrad_seq import nn
>>> cell, xs = nn.RNNCell(3, 5, rng=0), ts.ones((7, 2, 3))
>>> lengths = nn.gradient_flow(cell, xs, lambda ys: ys[-1].sum()).norms()
>>> values = nn.singular_values(nn.step_jacobians(cell, xs))
>>> above, below = Figure().subplots(2, sharex=True)
>>> nn.pictures.norms(above, lengths, label="the gradient")
>>> nn.pictures.norms(above, nn.product_bound(lengths, values[..., 0]), linestyle="--", label="its bound")
>>> nn.pictures.singular_values(below, values)
"""

from tinygrad_seq.nn.pictures.attention import alignment, attended
from tinygrad_seq.nn.pictures.gradients import norms, powers, singular_values
from tinygrad_seq.nn.pictures.looking import looks, window
from tinygrad_seq.nn.pictures.memory import machine, over_steps
from tinygrad_seq.nn.pictures.speech import posteriors

__all__ = [
    "alignment",
    "attended",
    "looks",
    "machine",
    "norms",
    "over_steps",
    "posteriors",
    "powers",
    "singular_values",
    "window",
]
