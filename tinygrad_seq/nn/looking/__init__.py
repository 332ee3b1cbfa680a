"""What is no sequence, processed as one: networks that look at an image piece by piece, or draw it so.

At every step such a network chooses where to look next. A look is hard (`retina` cuts a patch out of the image,
at a place that REINFORCE learns to choose) or soft (`window` weighs all pixels by Gaussians, whose gradient
shows where to look). A Module owns the parameters; its cell is bound to a batch of images and runs like any
other cell. Files here may import `nn/runners` and lower layers.
"""
