"""Thumbnails for the map of the lecture: pictures of runs, made small.

    .venv/bin/python examples/thumbnails/shrink.py runs/hello/probabilities.png runs/stocks/money.png ...

The thumbnail of a picture is NAME.png, where NAME is the folder of its run, and so the name of its example.
Of a picture with several panels it shows the part given in `PARTS`.
"""

import sys
from pathlib import Path

from PIL import Image

SIZE = (300, 200)  # at most, in pixels
COLORS = 64
PARTS = {  # left, top, right and bottom edge, as fractions of the width and the height
    "act_addition": (0.0, 0.0, 0.515, 1.0),
    "act_parity": (0.0, 0.0, 0.53, 1.0),
    "captions": (0.0, 0.0, 0.64, 0.34),
    "catch": (0.5, 0.0, 1.0, 1.0),
    "cells": (0.505, 0.0, 1.0, 1.0),
    "draw": (0.36, 0.0, 1.0, 0.5),
    "gradient_flow": (0.0, 0.0, 0.165, 0.315),
    "powers": (0.0, 0.0, 0.5, 1.0),
    "reversal": (0.0, 0.0, 0.422, 1.0),
    "self_attention": (0.0, 0.0, 0.328, 1.0),
}

if __name__ == "__main__":
    for picture in map(Path, sys.argv[1:]):
        name = picture.parent.name
        with Image.open(picture) as image:
            left, top, right, bottom = PARTS.get(name, (0.0, 0.0, 1.0, 1.0))
            width, height = image.size
            small = image.convert("RGB").crop((left * width, top * height, right * width, bottom * height))
        small.thumbnail(SIZE, Image.Resampling.LANCZOS)
        small.quantize(COLORS).save(Path(__file__).with_name(f"{name}.png"), optimize=True)
