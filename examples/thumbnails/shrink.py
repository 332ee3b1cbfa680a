"""Thumbnails for the map of the lecture: pictures of runs, made small.

    python examples/thumbnails/shrink.py runs/hello/probabilities.png runs/stocks/money.png ...

A picture becomes NAME.png, where NAME is the folder of its run, and so its example.
"""

import sys
from pathlib import Path

from PIL import Image

SIZE = (300, 200)  # at most, in pixels
COLORS = 64

if __name__ == "__main__":
    for picture in map(Path, sys.argv[1:]):
        with Image.open(picture) as image:
            small = image.convert("RGB")
        small.thumbnail(SIZE, Image.Resampling.LANCZOS)
        small.quantize(COLORS).save(Path(__file__).with_name(f"{picture.parent.name}.png"), optimize=True)
